// SPDX-License-Identifier: MIT
// Maps on a pool: values, failures, options; several maps at once.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <map>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

class pool : public leftovers::none {};

int twice(int x) { return 2 * x; }
double power(double x, double p) { return x * p; }

TEST_F(pool, runs_maps_one_after_the_other) {
  const parmap::pool workers({.workers = 3});
  EXPECT_EQ(workers.workers(), 3U);
  for (int n = 0; n < 200; n += 7) {
    const auto all = parmap::map(workers, twice, std::views::iota(0, n));
    ASSERT_EQ(all.size(), static_cast<std::uint64_t>(n));
    const std::vector<int> values = all.value();
    for (int i = 0; i < n; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], 2 * i);
  }
}

TEST_F(pool, sends_fixed_arguments_and_every_kind_of_axis) {
  const parmap::pool workers({.workers = 2});
  EXPECT_EQ(parmap::map(workers, parmap::fargs(power, 3.0), std::vector{1.0, 2.0}).value(), (std::vector{3.0, 6.0}));
  EXPECT_EQ(parmap::map(
                workers, [](const std::string& a, int b) { return a + std::to_string(b); },
                std::list<std::string>{"a", "b"}, std::views::iota(1, 3))
                .value(),
            (std::vector<std::string>{"a1", "a2", "b1", "b2"}));
  const std::vector<int> left{1, 2, 3};
  const std::vector<bool> right{true, false, true};
  EXPECT_EQ(parmap::map(
                workers, [](int a, bool b) { return b ? a : -a; }, parmap::zip(left, right))
                .value(),
            (std::vector{1, -2, 3}));
  EXPECT_EQ(parmap::map(
                workers, [](int a, int b, int c, int d, int e) { return a + 10 * b + 100 * c + 1000 * d + e; },
                parmap::product(std::vector{1}, std::vector{2}, std::vector{3}, std::vector{4}, std::vector{0, 10'000}))
                .value(),
            (std::vector{4321, 14'321}));
}

TEST_F(pool, counts_a_crash_and_a_throw_for_their_tasks_alone) {
  const parmap::pool workers({.workers = 2});
  for (int round = 0; round < 5; ++round) {
    const auto all = parmap::map(
        workers,
        [](int k) {
          if (k == 13) std::abort();
          if (k == 17) throw std::runtime_error("seventeen");
          if (k == 19) std::_Exit(3);
          return k;
        },
        std::views::iota(0, 40));
    ASSERT_EQ(all.failures().size(), 3U);
    const auto why = all.failures();
    EXPECT_EQ(why[0].index, 13U);
    EXPECT_EQ(why[0].kind, parmap::failure::crashed);
    EXPECT_EQ(why[0].inputs, "13");
    EXPECT_EQ(why[1].message, "std::runtime_error: seventeen");
    EXPECT_EQ(why[2].kind, parmap::failure::exited);
    for (const int i : {0, 12, 14, 39}) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(pool, kills_late_tasks) {
  const parmap::pool workers({.timeout = 300ms, .workers = 2});
  const auto hang = [](int k) {
    while (k == 3) std::this_thread::sleep_for(1s);
    return k;
  };
  const auto of_pool = parmap::map(workers, hang, std::views::iota(0, 10));
  ASSERT_EQ(of_pool.failures().size(), 1U);
  EXPECT_EQ(of_pool.failures()[0].kind, parmap::failure::timed_out);
  const auto of_map = parmap::map(workers, hang, std::views::iota(0, 10), {.timeout = 100ms});
  ASSERT_EQ(of_map.failures().size(), 1U);
  EXPECT_NE(of_map.failures()[0].message.find("100 ms"), std::string::npos) << of_map.failures()[0].message;
}

TEST_F(pool, tries_failed_tasks_again) {
  const parmap::pool workers({.workers = 2});
  const auto second = [](parmap::context& self, int k) {
    if (self.attempt() == 1 && k == 2) std::abort();
    if (self.attempt() <= 2 && k == 3) throw std::runtime_error("twice");
    return static_cast<int>(self.attempt());
  };
  EXPECT_EQ(parmap::map(workers, second, std::views::iota(0, 5), {.retries = 2}).value(), (std::vector{1, 1, 2, 3, 1}));
  const auto no = [](const parmap::failure& why) { return why.kind != parmap::failure::threw; };
  const auto some = parmap::map(workers, second, std::views::iota(0, 5), {.retries = 2, .retry_if = no});
  ASSERT_EQ(some.failures().size(), 1U);
  EXPECT_EQ(some.failures()[0].attempts, 1U);
}

TEST_F(pool, has_the_random_numbers_of_every_engine) {
  const parmap::pool workers({.workers = 3});
  const auto draw = [](parmap::context& self, int) { return self.rng()(); };
  const auto xs = std::views::iota(0, 100);
  EXPECT_EQ(parmap::map(workers, draw, xs, {.seed = 7}).value(),
            parmap::map(parmap::serial, draw, xs, {.seed = 7}).value());
}

TEST_F(pool, stops_at_the_limit_of_failures_and_at_the_deadline) {
  const parmap::pool workers({.workers = 2});
  const auto fail = [](int k) -> int { throw std::runtime_error(std::to_string(k)); };
  const auto few = parmap::map(workers, fail, std::views::iota(0, 100'000), {.max_failures = 5});
  EXPECT_EQ(few.failures().size(), 100'000U);
  EXPECT_EQ(few.failures().back().kind, parmap::failure::stopped);
  const auto sleep = [](int k) {
    std::this_thread::sleep_for(std::chrono::seconds(k));
    return k;
  };
  const auto late = parmap::map(workers, sleep, std::vector{0, 1000, 1000, 0}, {.deadline = 200ms});
  EXPECT_GE(late.failures().size(), 2U);
  for (auto&& why : late.failures()) EXPECT_EQ(why.kind, parmap::failure::stopped);
  EXPECT_EQ(parmap::map(workers, twice, std::vector{1}).value(), std::vector{2});
}

TEST_F(pool, is_shared_by_threads) {
  const parmap::pool workers({.workers = 2});
  std::vector<std::thread> all;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    all.emplace_back([&workers, &right, t] {
      for (int k = 0; k < 50; ++k) {
        const std::vector<int> values = parmap::map(workers, twice, std::views::iota(t, t + 20)).value();
        right += values.front() == 2 * t && values.back() == 2 * (t + 19) ? 1 : 0;
      }
    });
  for (std::thread& each : all) each.join();
  EXPECT_EQ(right, 200);
}

TEST_F(pool, refuses_the_memory_limit_of_one_map) {
  const parmap::pool workers({.workers = 1});
  EXPECT_THROW(static_cast<void>(parmap::map(workers, twice, std::vector{1}, {.memory_limit = 1 << 20})),
               std::invalid_argument);
}

}  // namespace
