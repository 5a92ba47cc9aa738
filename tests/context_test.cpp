// SPDX-License-Identifier: MIT
// What a task can learn from its context. Its random numbers depend only on the seed and the index.
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using parmap::context;
using numbers = std::array<std::uint64_t, 6>;  // more than a block

std::vector<int> count_to(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
const std::vector<int> hundred = count_to(100);

numbers draw(context& self) {
  numbers drawn{};
  for (auto& each : drawn) each = self.rng()();
  return drawn;
}
numbers draw_for(context& self, int) { return draw(self); }

std::vector<numbers> expected(std::uint64_t seed, std::size_t n) {
  std::vector<numbers> all(n);
  for (std::size_t i = 0; i < n; ++i) {
    parmap::philox4x64 rng({seed, i});
    for (auto& each : all[i]) each = rng();
  }
  return all;
}

TEST(rng, is_philox_keyed_by_seed_and_index_on_every_engine) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{}}) {
    const auto all = expected(seed, hundred.size());
    EXPECT_EQ(parmap::map(parmap::serial, draw_for, hundred, {.seed = seed}).value(), all);
    for (const unsigned workers : {0U, 1U, 2U, 3U, 8U}) {
      EXPECT_EQ(parmap::map(parmap::threads, draw_for, hundred, {.seed = seed, .workers = workers}).value(), all);
      EXPECT_EQ(parmap::map(parmap::multi, draw_for, hundred, {.seed = seed, .workers = workers}).value(), all);
    }
    for (const char* const name : {"serial", "threads", "multi"})
      EXPECT_EQ(parmap::map(parmap::engine_named(name), draw_for, hundred, {.seed = seed}).value(), all);
  }
}

TEST(rng, depends_on_the_index_not_on_the_argument) {
  const auto all = parmap::map(parmap::threads, draw_for, std::vector<int>(50, 7), {.seed = 1});
  EXPECT_EQ(std::set<numbers>(all.data(), all.data() + all.size()).size(), 50U);
  const auto grid = parmap::map(parmap::threads, [](context& self, int, int) { return draw(self); }, count_to(5),
                                count_to(10), {.seed = 1});
  EXPECT_EQ(grid.value(), all.value());
}

TEST(rng, is_the_same_in_a_retry) {
  const auto second_time = [](context& self, int x) {
    const numbers drawn = draw(self);
    if (x % 3 == 0 && self.attempt() == 1) throw std::runtime_error("again");
    return drawn;
  };
  const auto all = expected(5, hundred.size());
  for (const char* const name : {"serial", "threads", "multi"})
    EXPECT_EQ(parmap::map(parmap::engine_named(name), second_time, hundred, {.retries = 1, .seed = 5}).value(), all)
        << name;
}

TEST(rng, is_the_same_after_a_crash) {
  const auto second_time = [](context& self, int x) {
    const numbers drawn = draw(self);
    if (x % 10 == 0 && self.attempt() == 1) std::_Exit(3);
    return drawn;
  };
  EXPECT_EQ(parmap::map(second_time, hundred, {.retries = 1, .seed = 5, .workers = 2}).value(),
            expected(5, hundred.size()));
}

TEST(rng, the_seed_told_gives_the_numbers_again) {
  const auto first = parmap::map(parmap::threads, draw_for, hundred);
  EXPECT_EQ(first.value(), expected(first.seed(), hundred.size()));
  EXPECT_EQ(parmap::map(draw_for, hundred, {.seed = first.seed()}).value(), first.value());
}

TEST(rng, feeds_distributions) {
  const auto all = parmap::map(parmap::threads,
                               [](context& self, int) { return std::uniform_real_distribution<>(0, 1)(self.rng()); },
                               std::vector<int>(10'000), {.seed = 1});
  const auto values = all.value();
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / 1e4, 0.5, 0.02);
}

TEST(seed, is_fresh_for_every_map) {
  std::set<std::uint64_t> seeds;
  const std::vector<int> one{1};
  for (int k = 0; k < 1000; ++k) seeds.insert(parmap::map(parmap::threads, [](int x) { return x; }, one).seed());
  for (int k = 0; k < 3; ++k) seeds.insert(parmap::map([](int x) { return x; }, one).seed());
  EXPECT_EQ(seeds.size(), 1003U);
}

// Runs two nested maps in each task, on workers that inherit an entropy source in the same state.
void expect_nested_seeds_differ(const parmap::options& outer) {
  const auto nested = [](int) {
    const std::vector<int> one{1};
    const auto seed = [&] { return parmap::map(parmap::threads, [](int x) { return x; }, one).seed(); };
    return std::array<std::uint64_t, 2>{seed(), seed()};
  };
  std::set<std::uint64_t> seeds;
  for (int k = 0; k < 2; ++k) {
    const auto all = parmap::map(nested, count_to(8), outer);
    seeds.insert(all.seed());
    for (const auto& both : all.values()) seeds.insert(both.begin(), both.end());
  }
  EXPECT_EQ(seeds.size(), 2 * 16U + (outer.seed ? 1U : 2U));
}

TEST(seed, is_fresh_in_maps_nested_in_workers) {
  // The outer map has a seed. If this test runs alone, the workers are then the first to ask for entropy.
  expect_nested_seeds_differ({.seed = 1, .workers = 8});
  expect_nested_seeds_differ({.workers = 8});
  expect_nested_seeds_differ({.workers = 1});
}

TEST(context, knows_index_and_attempt) {
  for (const char* const name : {"serial", "threads", "multi"}) {
    const auto all = parmap::map(parmap::engine_named(name),
                                 [](context& self, int x) {
                                   if (x == 1 && self.attempt() < 3) throw std::runtime_error("not yet");
                                   return std::array<std::uint64_t, 3>{self.index(), self.attempt(), self.worker()};
                                 },
                                 hundred, {.retries = 2});
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i][0], i);
      EXPECT_EQ(all[i][1], i == 1 ? 3U : 1U) << name << ' ' << i;
    }
  }
}

TEST(context, workers_at_work_have_different_numbers) {
  constexpr unsigned workers = 3;
  std::array<std::atomic<bool>, workers> busy{};
  const auto all = parmap::map(parmap::threads,
                               [&busy](context& self, int) {
                                 const unsigned worker = self.worker();
                                 if (worker >= workers || busy.at(worker).exchange(true))
                                   throw std::logic_error("two at once");
                                 std::uint64_t sum = 0;
                                 for (int k = 0; k < 100; ++k) sum += self.rng()();
                                 busy.at(worker) = false;
                                 return sum;
                               },
                               count_to(20'000), {.workers = workers});
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  for (const auto worker :
       parmap::map([](context& self, int) { return self.worker(); }, hundred, {.workers = 2}).value())
    EXPECT_LT(worker, 2U);
}

TEST(context, is_passed_only_to_an_f_that_needs_it) {
  const auto anything = [](auto&&... x) { return sizeof...(x); };
  EXPECT_EQ(parmap::map(parmap::threads, anything, hundred)[0], 1U);
  struct both {
    int operator()(int) const { return 1; }
    int operator()(context&, int) const { return 2; }
  };
  EXPECT_EQ(parmap::map(both(), hundred)[0], 1);
  struct object {
    int base;
    int add(context& self) const { return base + static_cast<int>(self.index()); }
  };
  const std::vector<int> one{1};
  const object it{40};
  const auto bound = [&it](context& self, int) { return it.add(self); };
  EXPECT_EQ(parmap::map(parmap::serial, bound, one)[0], 40);
}

TEST(context, is_told_of_a_stop_in_process) {
  for (const char* const name : {"serial", "threads"}) {
    std::stop_source source;
    const auto all = parmap::map(parmap::engine_named(name),
                                 [&source](context& self, int x) {
                                   const bool before = self.stop_token().stop_requested();
                                   if (x == 0) source.request_stop();
                                   return std::pair(before, self.stop_token().stop_requested());
                                 },
                                 std::vector<int>{0, 1, 2}, {.stop = source.get_token(), .workers = 1});
    EXPECT_EQ(all[0], std::pair(false, true)) << name;
    EXPECT_EQ(all.failures().size(), 2U);
  }
}

TEST(context, in_a_worker_is_never_asked_to_stop) {
  std::stop_source source;
  const auto all = parmap::map([](context& self, int) { return self.stop_token().stop_possible(); }, hundred,
                               {.stop = source.get_token()});
  EXPECT_EQ(all.value(), std::vector<bool>(100, false));
}

}  // namespace
