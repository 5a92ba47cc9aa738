// SPDX-License-Identifier: MIT
// Streams on worker processes whose tasks crash, hang, write over memory, or lose their caller or supervisor.
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class stream_faults_test : public leftovers::none {};

// Waits until a process is dead and reaped, a minute at most.
bool dies(pid_t pid) {
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (::kill(pid, 0) == 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

// Those that die with a process become children of this one, which is a subreaper. Waits until all have died.
void reap_orphans() {
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

TEST_F(stream_faults_test, a_death_costs_its_own_task) {
  const auto f = [](int x) {
    if (x % 10 == 3) std::abort();
    if (x % 10 == 7) ::_exit(5);
    return x;
  };
  for (const bool ordered : {false, true}) {
    std::uint64_t next = 0;
    int died = 0;
    for (auto&& [index, outcome] : parmap::stream(f, std::views::iota(0, 100), {.ordered = ordered})) {
      if (ordered) {
        EXPECT_EQ(index, next);
      }
      ++next;
      if (outcome) {
        EXPECT_EQ(*outcome, static_cast<int>(index));
        continue;
      }
      ++died;
      EXPECT_EQ(outcome.error().kind, index % 10 == 3 ? failure::crashed : failure::exited);
      EXPECT_EQ(outcome.error().status, index % 10 == 3 ? SIGABRT : 5);
      EXPECT_EQ(outcome.error().inputs, std::to_string(index));
    }
    EXPECT_EQ(next, 100U);
    EXPECT_EQ(died, 20);
  }
}

TEST_F(stream_faults_test, a_late_task_is_killed_while_the_loop_waits) {
  const shared_counters shared;
  const auto f = [&shared](int x) {
    if (x != 1) return x;
    shared[0] = ::getpid();
    for (;;) ::pause();
  };
  int late = 0;
  for (auto&& [index, outcome] :
       parmap::stream(f, std::views::iota(0, 10), {.timeout = 200ms, .window = 3, .workers = 2})) {
    while (shared[0] == 0) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(dies(shared[0]));  // though nobody reads the stream meanwhile
    if (outcome) continue;
    ++late;
    EXPECT_EQ(index, 1U);
    EXPECT_EQ(outcome.error().kind, failure::timed_out);
  }
  EXPECT_EQ(late, 1);
}

TEST_F(stream_faults_test, a_memory_limit_holds) {
  const auto f = [](int x) {
    std::vector<char> some(x == 2 ? std::size_t{1} << 30 : 1);
    return static_cast<int>(some.size());
  };
  int failed = 0;
  for (auto&& [index, outcome] :
       parmap::stream(f, std::views::iota(0, 6), {.memory_limit = std::uint64_t{256} << 20})) {
    if (outcome) continue;
    ++failed;
    EXPECT_EQ(index, 2U);
    EXPECT_EQ(outcome.error().kind, failure::out_of_memory);
  }
  EXPECT_EQ(failed, 1);
}

TEST_F(stream_faults_test, left_streams_kill_what_runs) {
  const shared_counters shared;
  const auto f = [&shared](int x) {
    if (x == 0) return x;
    ++shared[0];
    for (;;) ::pause();
  };
  for (auto&& each : parmap::stream(f, std::views::iota(0), {.workers = 3})) {
    EXPECT_EQ(each.index, 0U);
    while (shared[0] < 3) std::this_thread::sleep_for(1ms);
    break;
  }
}

TEST_F(stream_faults_test, left_streams_kill_what_tasks_have_started) {
  const shared_counters shared;
  const auto f = [&shared](int x) {
    if (x == 0) return x;
    if (const pid_t child = ::fork(); child == 0)
      for (;;) ::pause();
    else shared[0] = child;
    for (;;) ::pause();
  };
  for (auto&& each : parmap::stream(f, std::views::iota(0, 2), {.workers = 2})) {
    EXPECT_EQ(each.index, 0U);
    while (shared[0] == 0) std::this_thread::sleep_for(1ms);
    break;
  }
  EXPECT_TRUE(dies(shared[0]));
}

TEST_F(stream_faults_test, random_kills_lose_nothing) {
  std::mt19937_64 random(20261130);
  for (int round = 0; round < 20; ++round) {
    const auto f = [](int x) {
      std::this_thread::sleep_for(100us);
      return std::string(static_cast<std::size_t>(x % 50), 'x');
    };
    auto all = parmap::stream(f, std::views::iota(0, 300), {.retries = 1000, .workers = 3});
    const std::vector<pid_t> boss = children_of(::getpid());
    ASSERT_EQ(boss.size(), 1U);
    std::vector<int> seen(300);
    for (auto&& [index, outcome] : all) {
      ASSERT_TRUE(outcome) << outcome.error();
      ASSERT_EQ(outcome->size(), index % 50);
      ++seen[index];
      if (random() % 8 != 0) continue;
      const std::vector<pid_t> workers = children_of(boss[0]);
      if (!workers.empty()) ::kill(workers[random() % workers.size()], SIGKILL);
    }
    EXPECT_TRUE(std::ranges::all_of(seen, [](int times) { return times == 1; }));
  }
}

TEST_F(stream_faults_test, a_killed_supervisor_ends_the_stream) {
  const auto f = [](int x) {
    if (x > 20) ::pause();
    return x;
  };
  auto all = parmap::stream(f, std::views::iota(0));
  auto at = all.begin();
  EXPECT_TRUE((*at).outcome);
  for (const pid_t boss : children_of(::getpid())) ::kill(boss, SIGKILL);
  try {
    for (; at != all.end(); ++at) EXPECT_TRUE((*at).outcome);
    FAIL();
  } catch (const std::runtime_error& why) {
    EXPECT_NE(std::string(why.what()).find("was killed"), std::string::npos);
  }
  EXPECT_TRUE(all.begin() == all.end());
  all.close();
  reap_orphans();
}

// A stream whose tasks never end. Tells by the first counter that they run.
auto endless_stream(const shared_counters& shared) {
  return parmap::stream(
      [&shared](int) -> int {
        ++shared[0];
        for (;;) ::pause();
      },
      std::views::iota(0), {.workers = 2});
}

TEST_F(stream_faults_test, all_die_with_their_caller) {
  const shared_counters shared;
  EXPECT_EQ(in_child([&shared] {
              auto all = endless_stream(shared);
              while (shared[0] < 2) std::this_thread::sleep_for(1ms);
              ::kill(::getpid(), SIGKILL);
            }),
            "killed by SIGKILL");
  reap_orphans();
}

TEST_F(stream_faults_test, all_die_when_their_caller_exits) {
  const shared_counters shared;
  EXPECT_EQ(in_child([&shared] {
              auto all = endless_stream(shared);
              while (shared[0] < 2) std::this_thread::sleep_for(1ms);
              ::_exit(7);
            }),
            "exit status 7");
  reap_orphans();
}

TEST_F(stream_faults_test, all_die_when_their_caller_becomes_another_program) {
  const shared_counters shared;
  EXPECT_EQ(in_child([&shared] {
              auto all = endless_stream(shared);
              while (shared[0] < 2) std::this_thread::sleep_for(1ms);
              ::execl("/bin/sh", "sh", "-c", "exec >&- 2>&-; exit 9", nullptr);
            }),
            "exit status 9");
  reap_orphans();
}

TEST_F(stream_faults_test, a_forked_copy_leaves_the_stream_alone) {
  auto all = parmap::stream([](int x) { return x; }, std::views::iota(0, 1000), {.ordered = true, .window = 4});
  auto at = all.begin();
  EXPECT_EQ(*(*at).outcome, 0);
  const pid_t child = ::fork();
  if (child == 0) {
    bool refused = false;
    try {
      for (++at; at != all.end(); ++at) {  // it has those that came out of order before the fork
      }
    } catch (const std::logic_error&) {
      refused = true;
    }
    all.close();
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  int next = 1;
  for (++at; at != all.end(); ++at) EXPECT_EQ(*(*at).outcome, next++);
  EXPECT_EQ(next, 1000);
}

// Tasks of a stream write over a page of its shared memory, one after the other: each write costs values, or ends the
// stream with an error; nothing wrong comes, and nothing hangs.
TEST_F(stream_faults_test, a_stray_write_is_noticed) {
  const auto range = [](int skip) {
    // The shared mappings of this process without a name are those of streams.
    std::ifstream maps("/proc/self/maps");
    std::vector<std::pair<std::uintptr_t, std::uintptr_t>> found;
    for (std::string line; std::getline(maps, line);) {
      if (line.find("rw-s") == std::string::npos || line.find("/dev/zero") == std::string::npos) continue;
      std::istringstream text(line);
      std::uintptr_t b{};
      std::uintptr_t e{};
      char dash{};
      text >> std::hex >> b >> dash >> e;
      found.emplace_back(b, e);
    }
    return found.at(static_cast<std::size_t>(skip) % found.size());
  };
  int damaged = 0;
  int whole = 0;
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t salt = random();
    const auto f = [&range, round, salt](int x) {
      if (x == 25) {
        const auto [b, e] = range(round);
        const std::uintptr_t at = b + salt % 4096 / 8 * 8;
        for (std::uintptr_t k = at; k < std::min(at + 256, e); k += 8) *reinterpret_cast<std::uint64_t*>(k) ^= salt | 1;
      }
      return std::string(30, static_cast<char>('a' + x % 26));
    };
    try {
      int taken = 0;
      for (auto&& [index, outcome] : parmap::stream(f, std::views::iota(0, 100), {.timeout = 5s, .workers = 2})) {
        ++taken;
        if (outcome) {
          EXPECT_EQ(*outcome, std::string(30, static_cast<char>('a' + index % 26)));
        }
        ASSERT_LE(taken, 100);
      }
      EXPECT_EQ(taken, 100);
      ++whole;
    } catch (const std::exception&) {
      ++damaged;
    }
  }
  std::cout << whole << " streams came through, " << damaged << " ended with an error\n";
  EXPECT_GT(damaged, 0);
}

TEST_F(stream_faults_test, an_overrun_faults_before_it_reaches_another_part) {
  // The rings lie between unmapped pages.
  auto all = parmap::stream([](int x) { return x; }, std::views::iota(0), {.workers = 2});
  EXPECT_TRUE((*all.begin()).outcome);
  std::ifstream maps("/proc/self/maps");
  int guards = 0;
  for (std::string line; std::getline(maps, line);)
    guards += line.find("---s") != std::string::npos && line.find("/dev/zero") != std::string::npos ? 1 : 0;
  EXPECT_GE(guards, 3 * 3 - 3);
}

TEST_F(stream_faults_test, results_of_any_size_take_the_memory_of_a_window) {
  const auto f = [](int x) { return std::string(std::size_t{1} << 20, static_cast<char>('a' + x % 26)); };
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  std::uint64_t bytes = 0;
  for (auto&& [index, outcome] : parmap::stream(f, std::views::iota(0, 1000))) bytes += outcome.value().size();
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(bytes, std::uint64_t{1000} << 20);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024);  // KiB
}

TEST_F(stream_faults_test, elements_and_outcomes_of_an_endless_stream_take_the_memory_of_a_window) {
  auto endless = std::views::iota(0) | std::views::filter([](int) { return true; }) |
                 std::views::transform([](int x) { return std::string(1000, static_cast<char>('a' + x % 26)); });
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  std::uint64_t taken = 0;
  for (auto&& each : parmap::stream([](const std::string& text) { return text + "!"; }, endless)) {
    EXPECT_EQ(each.outcome.value().size(), 1001U);
    if (++taken == 50'000) break;
  }
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024);
}

TEST_F(stream_faults_test, workers_that_wait_for_the_reader_sleep) {
  auto all = parmap::stream([](int x) { return x; }, std::views::iota(0), {.window = 4, .workers = 2});
  EXPECT_TRUE((*all.begin()).outcome);
  // Both workers are asleep in the kernel, in a futex.
  const auto asleep = [](pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/wchan");
    std::string text;
    file >> text;
    return text.find("futex") != std::string::npos;
  };
  const std::vector<pid_t> boss = children_of(::getpid());
  ASSERT_EQ(boss.size(), 1U);
  const auto until = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    const std::vector<pid_t> workers = children_of(boss[0]);
    if (workers.size() == 2 && std::ranges::all_of(workers, asleep)) break;
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(1ms);
  }
}

}  // namespace
