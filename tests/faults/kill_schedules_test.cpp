// SPDX-License-Identifier: MIT
// Small random maps whose workers are killed at random steps. A seed and the number of the schedule determine each map:
//   PARMAP_SCHEDULES=100000   runs so many schedules
//   PARMAP_SCHEDULE=4711      runs only that one
//   PARMAP_SEED=1             uses another seed
#include "kill/killed_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class kill_schedules_test : public killing::kill_test {};

killing::plan random_plan(std::mt19937_64& random) {
  const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
  killing::plan it{.name = "random"};
  it.tasks = 1 + below(below(4) == 0 ? killing::most_tasks : 12);
  it.workers = 1 + below(4);
  it.retries = below(3);
  it.result = static_cast<killing::shape>(below(3));
  if (below(2) == 0) it.throwing = random() & random() & random();
  if (below(2) == 0) it.throwing_once = random() & random();
  if (below(4) == 0) it.killing_itself = random() & random() & random();
  if (below(8) == 0) it.without_memory = random() & random() & random();
  if (below(4) == 0) it.max_failures = 1 + below(6);
  it.timed = below(4) == 0;
  it.postponed = below(4) == 0;
  it.streamed = below(3) == 0;
  it.observed = !it.streamed && below(3) == 0;
  it.window = below(2) == 0 ? 0 : 1 + below(8);
  it.ordered = below(2) == 0;
  it.lazy = below(2) == 0;
  return it;
}

TEST_F(kill_schedules_test, nothing_lost_nothing_twice) {
  constexpr std::uint64_t quick = 4'000 / killing::stride;
  const std::uint64_t seed = from_environment("PARMAP_SEED", 20'261'122);
  const std::uint64_t only = from_environment("PARMAP_SCHEDULE", 0);
  const std::uint64_t last = only != 0 ? only : from_environment("PARMAP_SCHEDULES", quick);
  killing::tally sum;
  for (std::uint64_t schedule = only != 0 ? only : 1; schedule <= last; ++schedule) {
    std::mt19937_64 random(killing::mix(seed ^ killing::mix(schedule)));
    const killing::plan it = random_plan(random);
    auto& now = killing::clear_stage();
    // From one in 3000 arrivals to one in 30: the more kills, the less is done between two of them.
    const double chance = std::pow(100.0, static_cast<double>(random() >> 11) * 0x1p-53) / 3000;
    now.chance = static_cast<std::uint64_t>(chance * 0x1p64);
    now.seed = random();
    now.workers_wait = random() % 2 == 0 && it.workers > 1;
    SCOPED_TRACE(it);
    SCOPED_TRACE("PARMAP_SEED=" + std::to_string(seed) + " PARMAP_SCHEDULE=" + std::to_string(schedule));
    ASSERT_NO_FATAL_FAILURE(killing::run(it, sum));
  }
  std::cout << "seed " << seed << ", schedules up to " << last << ": " << sum.kills << " kills, " << sum.crashed
            << " tasks lost their worker for good, " << sum.retried << " begun again\n";
  EXPECT_GT(sum.kills, 0U);
  EXPECT_FALSE(killing::seen->unknown_step);
}

}  // namespace
