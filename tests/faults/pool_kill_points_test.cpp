// SPDX-License-Identifier: MIT
// SIGKILL at every step of a pool in turn: to its workers, to its template process, and to its caller.
#include "kill/each_step.hpp"
#include "kill/killed_map.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using killing::at_each_step;
using killing::here;
using killing::role;
using killing::steps_killed_at;
using killing::survive;
using parmap::failure;

class pool_kill_points_test : public killing::kill_test {};

// PARMAP_EVERY_STEP=1 leaves out no arrival.
std::uint64_t every() { return std::getenv("PARMAP_EVERY_STEP") != nullptr ? 1 : std::uint64_t{11} * killing::stride; }

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}
std::string body(const parmap::context& self, unsigned i) {
  killing::arrive("task", killing::moment::before);
  if (i % 5 == 1) ::kill(::getpid(), SIGKILL);
  if (i % 5 == 2 && self.attempt() == 1) throw std::runtime_error("thrown");
  if (i % 5 == 3) throw std::runtime_error("always");
  killing::arrive("task", killing::moment::after);
  return std::string(i % 2 == 0 ? 20 : 1, static_cast<char>('a' + i));
}
std::string value_of(unsigned i) { return std::string(i % 2 == 0 ? 20 : 1, static_cast<char>('a' + i)); }
unsigned plain(unsigned i) { return 3 * i; }
unsigned wait(unsigned) {
  for (;;) ::pause();
}

// Each task has its value, or a failure that its own doings or a kill explain.
void judge(unsigned i, const std::string* value, const failure* why, unsigned retries) {
  if (value != nullptr) return require(*value == value_of(i) && i % 5 != 1 && i % 5 != 3, "a value");
  require(why->index == i, "an index");
  require(why->attempts <= 1 + retries, "attempts");
  if (why->kind == failure::threw) require(i % 5 == 3 || (i % 5 == 2 && retries == 0), "it threw");
  else require(why->kind == failure::crashed, "it crashed");
  // A kill costs one attempt of one task.
  if (why->kind == failure::crashed && i % 5 != 1) require(killing::on->kills > 0, "nobody was killed");
}

void map_once(const parmap::pool& workers, unsigned tasks, unsigned retries) {
  const auto all = parmap::map(workers, body, std::views::iota(0U, tasks),
                               {.reporter = parmap::report::silent, .retries = retries, .seed = 1});
  require(all.size() == tasks, "size");
  auto failed = all.failures().begin();
  for (unsigned i = 0; i < tasks; ++i) {
    const std::string* const value = all.get_if(i);
    if (value != nullptr) {
      judge(i, value, nullptr, retries);
    } else {
      const failure why = *failed;
      ++failed;
      judge(i, nullptr, &why, retries);
    }
  }
  require(failed == all.failures().end(), "one failure each");
}

// Runs `use` with a pool; whoever is killed meanwhile, it either ends or says that the template was killed.
template <class Use>
void with_pool(const parmap::pool_options& chosen, const Use& use) {
  try {
    const parmap::pool workers(chosen);
    use(workers);
  } catch (const std::runtime_error&) {
    if (!killing::on->supervisor_dead) throw;
  }
}

// Small maps, the second of which begins another round of the stream.
void maps() {
  with_pool({.workers = 2}, [](const parmap::pool& workers) {
    map_once(workers, 6, 1);
    map_once(workers, 14, 0);
  });
}
// A batch that is halted: the failure limit is reached.
void halted_maps() {
  with_pool({.workers = 2}, [](const parmap::pool& workers) {
    const auto all = parmap::map(workers, body, std::views::iota(0U, 12U),
                                 {.max_failures = 1, .reporter = parmap::report::silent, .seed = 1});
    require(all.size() == 12, "size");
    for (const failure& why : all.failures())
      require(why.kind != failure::threw || why.index % 5 == 3 || why.index % 5 == 2, "a failure");
    map_once(workers, 3, 0);
  });
}
// Futures, one of which is killed while it runs, and one is cancelled.
void futures() {
  with_pool({.max_tasks = 3, .workers = 1}, [](const parmap::pool& workers) {
    auto runs = workers.submit(wait, 0U);
    auto waits = workers.submit(plain, 1U);
    auto later = workers.submit(plain, 2U);
    static_cast<void>(runs.wait_for(1ms));
    static_cast<void>(waits.cancel());
    runs.kill();
    require(!runs.outcome(), "it never ends");
    const auto kind = runs.outcome().error().kind;
    require(kind == failure::stopped || (kind == failure::crashed && killing::on->kills > 0), "it was killed");
    require(!waits.outcome() || *waits.outcome() == 3, "a value");
    require(later.outcome() ? *later.outcome() == 6 : killing::on->kills > 0, "a value that nobody killed");
  });
}
// A late task, and a stream that is left.
void limits() {
  with_pool({.timeout = 2ms, .workers = 2}, [](const parmap::pool& workers) {
    require(!workers.submit(wait, 0U).outcome(), "it is late");
    int taken = 0;
    for (auto&& [index, outcome] : parmap::stream(workers, plain, std::views::iota(0U), {.seed = 1, .window = 4})) {
      if (outcome) require(*outcome == 3 * index, "a value");
      if (++taken == 5) break;
    }
  });
}

void kill_each(role victim, std::uint64_t least) {
  std::uint64_t points = 0;
  for (const auto& caller : {maps, halted_maps, futures, limits})
    points += at_each_step(victim, [caller] { survive(caller, role::caller); }, every());
  std::cout << points << " kill points\n" << steps_killed_at() << '\n';
  EXPECT_GT(points, least / every());
  EXPECT_FALSE(killing::seen->unknown_step);
}

TEST_F(pool_kill_points_test, a_worker_dies_at_each_step) { kill_each(role::worker, 500); }
TEST_F(pool_kill_points_test, the_template_dies_at_each_step) { kill_each(role::supervisor, 500); }
TEST_F(pool_kill_points_test, the_caller_dies_at_each_step) { kill_each(role::caller, 200); }

// Whoever arrives at a step is killed now and then.
TEST_F(pool_kill_points_test, workers_die_at_random_steps) {
  const int rounds = std::getenv("PARMAP_EVERY_STEP") != nullptr ? 20'000 : 200;
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    auto& now = killing::clear_stage();
    now.victim = role::worker;
    now.seed = killing::mix(static_cast<std::uint64_t>(round));
    now.chance = ~std::uint64_t{0} / 150;
    SCOPED_TRACE("round " + std::to_string(round));
    survive(round % 2 == 0 ? maps : futures, role::caller);
  }
}

}  // namespace
