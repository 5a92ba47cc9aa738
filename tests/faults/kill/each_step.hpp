// SPDX-License-Identifier: MIT
// Runs a small map again and again, with the death of a process at each of its steps in turn.
#pragma once

#include "kill_plan.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <iostream>
#include <string>
#include <string_view>

namespace killing {

// The steps at which a process was killed, but for some that not every run takes.
inline std::string steps_killed_at(std::initializer_list<std::string_view> left_out = {}) {
  return spell(seen->killed_at, left_out);
}

// Runs trial() with a death at arrival 1, 2, ... until the map ends before that arrival. Then runs it once more for
// each step at which nobody was killed so far, because the order of arrivals varies between maps. Returns how often a
// process was killed. `every`: of the arrivals only each so many-th, to save time.
template <class Trial>
std::uint64_t at_each_step(role victim, Trial&& trial, std::uint64_t every = stride) {
  const auto run = [&](std::uint64_t arrival, std::uint64_t step) {
    auto& now = clear_stage();
    now.victim = victim;
    now.kill_at[0] = arrival;
    if (step < moments) now.kill_in[static_cast<std::size_t>(victim)].add(step);
    SCOPED_TRACE("killed at arrival " + std::to_string(arrival) + ", or at moment " + std::to_string(step));
    trial();
  };
  std::uint64_t points = 0;
  for (std::uint64_t k = 1; !::testing::Test::HasFailure(); k += every) {
    run(k, moments);
    if (on->arrivals < k) break;
    ++points;
  }
  for (std::size_t step = 0; step < moments && !::testing::Test::HasFailure(); ++step) {
    if (seen->killed_at.has(step)) continue;
    run(0, step);
    points += on->kill_in[static_cast<std::size_t>(victim)].empty();
  }
  return points;
}

// A forked process inherits the write end of this pipe. wait() returns when the last process that has it is dead.
class lifeline {
 public:
  lifeline() { EXPECT_EQ(::pipe(fds_), 0); }
  lifeline(const lifeline&) = delete;
  lifeline& operator=(const lifeline&) = delete;
  ~lifeline() { ::close(fds_[0]); }
  void wait() {
    ::close(fds_[1]);
    char none{};
    EXPECT_EQ(::read(fds_[0], &none, 1), 0);
  }

 private:
  int fds_[2]{};
};

// Runs `caller` in a process that dies as the stage says. Returns when no process of it is left.
inline void survive(void (*caller)(), role as = role::supervisor) {
  lifeline line;
  const pid_t child = ::fork();
  if (child == 0) {
    here = {};
    here.as = as;
    try {
      caller();
    } catch (const std::exception& error) {
      std::cerr << error.what() << '\n';
      ::_exit(1);
    }
    ::_exit(0);
  }
  EXPECT_GT(child, 0);
  line.wait();
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  while (::waitpid(-1, nullptr, 0) > 0) {  // reaps the orphans: this process is their subreaper
  }
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
  if (as == role::supervisor) {
    EXPECT_EQ(killed, on->supervisor_dead);
  }
}

}  // namespace killing
