// SPDX-License-Identifier: MIT
// Runs one small map whose workers are killed, and checks that its results agree with what really happened.
#pragma once

#include "kill_plan.hpp"

#include <leftovers.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <ostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace killing {

enum class shape { plain, encoded, nothing };

// Describes a map. Sets of tasks are given as bits.
struct plan {
  const char* name{""};
  unsigned tasks{3};
  unsigned workers{1};
  unsigned retries{};
  shape result{shape::plain};
  std::uint64_t throwing{};        // throw at every attempt
  std::uint64_t throwing_once{};   // throw at the first attempt
  std::uint64_t killing_itself{};  // kill their worker at the first attempt
  std::uint64_t without_memory{};  // throw std::bad_alloc at every attempt, under a memory_limit
  std::optional<std::uint64_t> max_failures{};
  bool timed{};
  bool postponed{};  // failed attempts are repeated after a while

  friend std::ostream& operator<<(std::ostream& out, const plan& it) {
    return out << it.name << " {tasks " << it.tasks << ", workers " << it.workers << ", retries " << it.retries
               << ", result " << static_cast<int>(it.result) << ", throwing " << it.throwing << ", once "
               << it.throwing_once << ", max_failures " << it.max_failures.value_or(0) << ", postponed " << it.postponed
               << '}';
  }
};

template <class Result>
Result value_of(unsigned task, unsigned attempt) {
  const std::uint64_t value = task * std::uint64_t{1000} + attempt;
  // An even task's string lies in an arena, an odd task's in its slot.
  if constexpr (std::is_same_v<Result, std::string>)
    return std::string(task % 2 == 0 ? 16 : 0, 'x') + std::to_string(value);
  else return static_cast<Result>(value);
}

template <class Result>
Result run_task(const plan& it, const parmap::context& self, unsigned i) {
  const unsigned attempt = self.attempt();
  const auto in = [i](std::uint64_t set) { return (set >> i & 1) != 0; };
  body_begins(i, attempt);
  if (attempt == 1 && in(it.killing_itself)) die();
  if (in(it.without_memory)) {
    body_throws(true);
    throw std::bad_alloc();
  }
  if (in(it.throwing) || (attempt == 1 && in(it.throwing_once))) {
    body_throws();
    throw std::runtime_error("thrown by " + std::to_string(i));
  }
  body_ends();
  return value_of<Result>(i, attempt);
}

// Counts over all maps, for the summary.
struct tally {
  std::uint64_t kills{};
  std::uint64_t crashed{};  // tasks that a kill has cost
  std::uint64_t retried{};  // tasks begun again
};

// Checks all results. Every task either has the right value or is a failure with the right cause. Its body began as
// often as reported, and never more than 1 + retries times. Each death cost at most the one attempt that `cur` named.
template <class Result>
void judge(const plan& it, const parmap::results<Result>& all, tally& sum) {
  ASSERT_EQ(all.size(), it.tasks);
  const unsigned limit = 1 + it.retries;
  std::uint64_t unseen = 0;
  std::uint64_t stopped = 0;
  auto failure = all.failures().begin();
  for (unsigned i = 0; i < it.tasks; ++i) {
    SCOPED_TRACE("task " + std::to_string(i));
    const notes& its = on->task[i];
    const unsigned begun = its.begun;
    const unsigned lost = its.threw + its.killed;
    unsigned attempts = its.last_attempt;
    if (failure != all.failures().end() && (*failure).index == i) {
      const parmap::failure why = *failure++;
      attempts = why.attempts;
      ASSERT_EQ(begun, lost) << why;
      if (why.kind == parmap::failure::stopped) {
        ++stopped;
        ASSERT_LT(attempts, limit) << why;
      } else {
        ASSERT_EQ(attempts, limit) << why;
        if (its.last_threw && its.last_attempt == attempts) {
          const bool memory = (it.without_memory >> i & 1) != 0;
          ASSERT_EQ(why.kind, memory ? parmap::failure::out_of_memory : parmap::failure::threw) << why;
          ASSERT_NE(why.message.find(memory ? "bad_alloc" : "thrown by " + std::to_string(i)), std::string::npos)
              << why;
        } else {
          ++sum.crashed;
          ASSERT_EQ(why.kind, parmap::failure::crashed) << why;
          ASSERT_NE(why.message.find("SIGKILL"), std::string::npos) << why;
        }
      }
    } else {
      ASSERT_EQ(begun, 1 + lost);
      ASSERT_GE(attempts, begun);
      if constexpr (!std::is_void_v<Result>) {
        ASSERT_EQ(all[i], value_of<Result>(i, attempts));
      }
    }
    ASSERT_LE(attempts, limit);
    ASSERT_GE(attempts, begun);
    unseen += attempts - begun;
    if (attempts > 1) ++sum.retried;
  }
  ASSERT_TRUE(failure == all.failures().end());
  ASSERT_EQ(unseen, on->ghosts);
  const std::uint64_t failed = all.failures().size() - stopped;
  if (it.max_failures) {
    if (stopped > 0) {
      ASSERT_GE(failed, *it.max_failures);
    }
    // Each worker may be in one more task when the last failure is counted.
    ASSERT_LE(failed, *it.max_failures + it.workers - 1 + on->uncounted);
  } else {
    ASSERT_EQ(stopped, 0U);
  }
  sum.kills += on->kills;
}

template <class Result>
void run_as(const plan& it, tally& sum) {
  using namespace std::chrono_literals;
  parmap::options chosen{.max_failures = it.max_failures, .retries = it.retries, .seed = 1, .workers = it.workers};
  chosen.reporter = parmap::report::silent;
  if (it.timed) chosen.timeout = 1h;
  if (it.postponed) chosen.retry_delay = 100us;
  if (it.without_memory != 0) chosen.memory_limit = std::uint64_t{1} << 30;
  const auto f = [&it](const parmap::context& self, unsigned i) { return run_task<Result>(it, self, i); };
  here = {};
  here.as = role::supervisor;
  const auto all = parmap::map(parmap::multi, f, std::views::iota(0U, it.tasks), chosen);
  here.as = role::bystander;
  judge(it, all, sum);
  ASSERT_FALSE(leftovers::has_children());
}

// Runs the map with the kills that the test has set.
inline void run(const plan& it, tally& sum) {
  switch (it.result) {
    case shape::plain: return run_as<std::uint64_t>(it, sum);
    case shape::encoded: return run_as<std::string>(it, sum);
    case shape::nothing: return run_as<void>(it, sum);
  }
}

class kill_test : public leftovers::none {
 protected:
  // Constructed before the mappings are counted, destroyed after the last count.
  theatre house_;
};

}  // namespace killing
