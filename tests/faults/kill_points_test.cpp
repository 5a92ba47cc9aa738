// SPDX-License-Identifier: MIT
// SIGKILL at every step of the protocol in turn: to workers, to the supervisor, and to the process that goes on after a
// death.
#include "kill/each_step.hpp"
#include "kill/killed_map.hpp"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using killing::at_each_step;
using killing::here;
using killing::moment;
using killing::on;
using killing::plan;
using killing::role;
using killing::shape;
using killing::steps_killed_at;
using killing::survive;
using killing::tally;

class kill_points_test : public killing::kill_test {};

// The bits of all tasks.
constexpr std::uint64_t all_tasks = ~std::uint64_t{0};

const plan plans[] = {
    {.name = "plain"},
    {.name = "plain, a retry", .retries = 1},
    {.name = "encoded", .result = shape::encoded},
    {.name = "encoded, a retry", .retries = 1, .result = shape::encoded},
    {.name = "one throws", .throwing = 2},
    {.name = "one throws, a retry", .retries = 1, .result = shape::encoded, .throwing = 2, .throwing_once = 4},
    {.name = "void", .retries = 1, .result = shape::nothing, .throwing_once = 1},
    {.name = "timed", .retries = 1, .timed = true},
    {.name = "max_failures", .tasks = 5, .throwing = 6, .max_failures = 2},
    {.name = "max_failures, two workers",
     .tasks = 6,
     .workers = 2,
     .retries = 1,
     .throwing = all_tasks,
     .max_failures = 2},
    {.name = "memory_limit", .retries = 1, .without_memory = 2},
    {.name = "left-overs", .tasks = 8, .workers = 3, .retries = 1, .killing_itself = 0b1000'0001},
    {.name = "two workers", .tasks = 6, .workers = 2, .result = shape::encoded},
    {.name = "two rounds", .tasks = 18, .workers = 2, .retries = 1},
    {.name = "postponed", .retries = 1, .throwing = 2, .throwing_once = 4, .postponed = true},
    {.name = "postponed, two workers",
     .tasks = 4,
     .workers = 2,
     .retries = 2,
     .result = shape::encoded,
     .throwing = 2,
     .killing_itself = 4,
     .postponed = true},
    {.name = "observed", .retries = 1, .throwing = 2, .throwing_once = 4, .observed = true},
    {.name = "observed, encoded, two workers",
     .tasks = 5,
     .workers = 2,
     .retries = 1,
     .result = shape::encoded,
     .throwing_once = 2,
     .killing_itself = 4,
     .observed = true},
    {.name = "observed, postponed, memory_limit",
     .retries = 1,
     .throwing_once = 1,
     .without_memory = 2,
     .postponed = true,
     .observed = true},
};

TEST_F(kill_points_test, a_worker_dies_at_each_step) {
  std::uint64_t points = 0;
  tally sum;
  for (const plan& it : plans) {
    SCOPED_TRACE(it);
    points += at_each_step(role::worker, [&] { killing::run(it, sum); });
  }
  std::cout << points << " kill points, " << sum.crashed << " tasks lost, " << sum.retried << " begun again\n";
  EXPECT_GT(points, 1000 / killing::stride);
  EXPECT_FALSE(killing::seen->unknown_step);
  EXPECT_EQ(steps_killed_at(),
            "lock- lock+ unlock- unlock+ halt- halt+ failures- failures+ range- range+ left_over- left_over+ "
            "left_attempts- claim- claim+ cur- cur+ base- base+ finished- finished+ started- started+ top- top+ head- "
            "head+ farewell- farewell+ go- go+ birth+ pdeathsig+ prepared+ begin- begin+ record+ slot- slot+ end- "
            "task- task+ bell- wait- news- stay- waiting- waiting+ tail- tail+ taken- cell- cell+");
}

// Two deaths: one at each step, and a second at each of the following arrivals, as many as one claim has.
void die_twice(const plan& it) {
  constexpr std::uint64_t steps_of_a_claim = 32;
  SCOPED_TRACE(it);
  tally sum;
  std::uint64_t pairs = 0;
  for (std::uint64_t k = 1, kills = 1; kills > 0; k += killing::stride) {
    for (std::uint64_t later = 1; later <= steps_of_a_claim; ++later) {
      SCOPED_TRACE("killed at arrivals " + std::to_string(k) + " and " + std::to_string(k + later));
      auto& now = killing::clear_stage();
      now.kill_at = {k, k + later};
      now.workers_wait = it.workers > 1;
      ASSERT_NO_FATAL_FAILURE(killing::run(it, sum));
      kills = now.kills;
      if (kills < 2) break;
      ++pairs;
    }
  }
  std::cout << pairs << " pairs of kill points, " << sum.crashed << " tasks lost, " << sum.retried << " begun again\n";
  EXPECT_GT(pairs, 1000 / killing::stride);
}

TEST_F(kill_points_test, a_worker_dies_and_then_its_replacement) {
  die_twice({.name = "one worker", .tasks = 2, .throwing = 1});
}

TEST_F(kill_points_test, a_worker_dies_and_then_who_waited_for_it) {
  die_twice({.name = "two workers", .tasks = 2, .workers = 2, .retries = 1});
}

// ---- The supervisor dies.

[[noreturn]] void hang() {
  for (;;) ::pause();
}

// A map with deaths, a failure, retries and left-overs.
void ordinary_map() {
  const auto f = [](const parmap::context& self, unsigned i) {
    if (i % 4 == 1) ::kill(::getpid(), SIGKILL);
    if (i % 4 == 2 && self.attempt() == 1) throw std::runtime_error("thrown");
    return std::to_string(i);
  };
  static_cast<void>(
      parmap::map(f, std::views::iota(0U, 18U), {.max_failures = 4, .retries = 1, .seed = 1, .workers = 3}));
}

// A map with a task that ends just as it is stopped for being late, and a task that never ends and has a child that
// never ends.
void late_map() {
  on->dawdler = 0;
  const auto f = [](unsigned i) {
    killing::body_begins(i, 1);
    if (i == 0)
      while (!on->stopping) ::sched_yield();
    if (i == 1) {
      const pid_t worker = ::getpid();
      if (::fork() == 0) {
        here.as = role::bystander;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != worker) ::_exit(0);
        hang();
      }
      hang();
    }
    killing::body_ends();
  };
  static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0U, 3U), {.seed = 1, .timeout = 2ms, .workers = 1}));
}

// A map that ends because its reporter throws.
void broken_off_map() {
  const auto report = [](const parmap::progress&) { throw std::runtime_error("enough"); };
  const auto f = [](unsigned) { hang(); };
  try {
    static_cast<void>(
        parmap::map(parmap::multi, f, std::views::iota(0U, 2U), {.reporter = report, .seed = 1, .workers = 2}));
  } catch (const std::runtime_error&) {
  }
}

// The same before its workers have done anything, so that they do not yet die with their parent.
void map_broken_off_early() {
  on->births_wait = true;
  broken_off_map();
}

// A map with postponed tasks, of which one is left when its workers wait.
void postponed_map() {
  const auto f = [](const parmap::context& self, unsigned i) {
    if (i == 1 && self.attempt() == 1) ::kill(::getpid(), SIGKILL);
    if (i == 2 && self.attempt() == 1) throw std::runtime_error("thrown");
    return std::to_string(i);
  };
  static_cast<void>(
      parmap::map(f, std::views::iota(0U, 4U), {.retries = 1, .retry_delay = 1ms, .seed = 1, .workers = 2}));
}

// A map whose worker dies with the lock, in the middle of a claim.
void repaired_map() {
  on->kill_in[static_cast<std::size_t>(role::worker)].add(killing::number_of("claim", moment::after));
  const auto f = [](unsigned i) { return i; };
  static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0U, 2U), {.seed = 1, .workers = 1}));
}

TEST_F(kill_points_test, the_supervisor_dies_at_each_step) {
  std::uint64_t points = 0;
  for (const auto& caller : {ordinary_map, late_map, broken_off_map, postponed_map, repaired_map})
    points += at_each_step(role::supervisor, [caller] { survive(caller); });
  points += at_each_step(role::supervisor, [] { survive(map_broken_off_early); }, std::uint64_t{3} * killing::stride);
  std::cout << points << " kill points\n";
  EXPECT_GT(points, 500 / killing::stride);
  EXPECT_FALSE(killing::seen->unknown_step);
  EXPECT_EQ(steps_killed_at(),
            "lock- lock+ unlock- unlock+ halt- halt+ failures- failures+ range- range+ "
            "left_over- left_over+ left_attempts- left_attempts+ claim- claim+ cur- cur+ base- finished- finished+ "
            "started- top- top+ head- head+ farewell- farewell+ go- go+ fork- fork+ pidfd+ stop- stop+ resume- resume+ "
            "descendants- descendants+ kill- kill+ reap- reap+ bell- bell+ stay- stay+ waiting- waiting+");
}

// A worker has no file of /dev/shm mapped while a map runs.
TEST_F(kill_points_test, nothing_is_mapped_from_dev_shm) {
  const auto f = [](int) {
    std::ifstream maps("/proc/self/maps");
    bool found = false;
    for (std::string line; std::getline(maps, line);) found = found || line.find("/dev/shm") != std::string::npos;
    return found;
  };
  const auto all = parmap::map(f, std::views::iota(0, 2));
  EXPECT_FALSE(all[0] || all[1]);
}

}  // namespace
