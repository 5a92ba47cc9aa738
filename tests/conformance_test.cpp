// SPDX-License-Identifier: MIT
// What every engine promises: calls, axes, context, retries, stops, reporters.
#include "engines.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <numeric>
#include <ranges>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <vector>

namespace {

template <class Engine>
class conformance : public ::testing::Test {};
TYPED_TEST_SUITE(conformance, engines::all, engines::names);

std::vector<int> first(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int square(int x) { return x * x; }

TYPED_TEST(conformance, equals_transform) {
  // 0 to 3, and sizes around the number of workers and around the growth of chunks.
  for (const int n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 100, 272, 273, 1000, 4369, 40'000}) {
    for (const unsigned workers : {0U, 1U, 2U, 3U, 8U}) {
      const auto xs = first(n);
      std::vector<int> expected(xs.size());
      std::ranges::transform(xs, expected.begin(), square);
      const auto all = parmap::map(TypeParam::engine, square, xs, {.workers = workers});
      ASSERT_TRUE(all.ok()) << all.failures()[0];
      ASSERT_EQ(all.size(), xs.size());
      ASSERT_EQ(all.value(), expected) << n << " tasks, " << workers << " workers";
    }
  }
}

TYPED_TEST(conformance, every_combination_last_axis_fastest) {
  const std::vector a{10, 20, 30};
  const std::vector<std::string> b{"x", "y"};
  const auto join = [](int x, const std::string& y, char z) { return y + std::to_string(x) + z; };
  const auto all = parmap::map(TypeParam::engine, join, a, b, std::string("-+")).value();
  const std::vector<std::string> expected{"x10-", "x10+", "y10-", "y10+", "x20-", "x20+",
                                          "y20-", "y20+", "x30-", "x30+", "y30-", "y30+"};
  EXPECT_EQ(all, expected);
  const auto four = [](int p, int q, int r, int s) { return ((p * 10 + q) * 10 + r) * 10 + s; };
  const std::array d{1, 2};
  EXPECT_EQ(parmap::map(TypeParam::engine, four, d, d, d, d).value().at(5), 1212);
  EXPECT_EQ(parmap::map(TypeParam::engine, four, parmap::product(d, d), parmap::zip(d, d)).value().at(3), 1222);
}

TYPED_TEST(conformance, axes_of_every_kind) {
  const auto twice = [](int x) { return 2 * x; };
  const std::list<int> walked{1, 2, 3};
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, walked).value(), (std::vector{2, 4, 6}));
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, std::set{3, 1, 2}).value(), (std::vector{2, 4, 6}));
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, std::vector{1, 2}).value(), (std::vector{2, 4}));
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, std::views::iota(1, 4)).value(), (std::vector{2, 4, 6}));
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, walked | std::views::transform(square)).value(),
            (std::vector{2, 8, 18}));
  const int plain[] = {4, 5};
  EXPECT_EQ(parmap::map(TypeParam::engine, twice, plain).value(), (std::vector{8, 10}));
  const std::vector<bool> bits{true, false};
  EXPECT_EQ(parmap::map(TypeParam::engine, [](bool b) { return !b; }, bits).value(), (std::vector{false, true}));
}

TYPED_TEST(conformance, anything_that_can_be_invoked) {
  struct point {
    int x;
    [[nodiscard]] int doubled() const { return 2 * x; }
  };
  const std::vector<point> points{{1}, {2}};
  EXPECT_EQ(parmap::map(TypeParam::engine, &point::doubled, points).value(), (std::vector{2, 4}));
  EXPECT_EQ(parmap::map(TypeParam::engine, &point::x, points).value(), (std::vector{1, 2}));
  const std::function<int(int)> wrapped = square;
  EXPECT_EQ(parmap::map(TypeParam::engine, wrapped, first(3)).value(), (std::vector{0, 1, 4}));
  int offset = 5;
  EXPECT_EQ(
      parmap::map(TypeParam::engine, [&offset](int x) { return x + offset; }, first(2)).value(), (std::vector{5, 6}));
  const auto power = [](int base, int exponent) {
    int all = 1;
    for (int k = 0; k < exponent; ++k) all *= base;
    return all;
  };
  EXPECT_EQ(parmap::map(TypeParam::engine, parmap::fargs(power, 3), first(4)).value(), (std::vector{0, 1, 8, 27}));
}

TYPED_TEST(conformance, context_knows_the_task) {
  const auto ask = [](parmap::context& self, int x) {
    return std::tuple(self.index(), self.attempt(), self.worker(), x, self.rng()());
  };
  const auto all = parmap::map(TypeParam::engine, ask, first(1000), {.seed = 7});
  ASSERT_TRUE(all.ok());
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    const auto& [index, attempt, worker, x, random] = all[i];
    EXPECT_EQ(index, i);
    EXPECT_EQ(attempt, 1U);
    EXPECT_LT(worker, 64U);
    EXPECT_EQ(random, parmap::philox4x64(std::array<std::uint64_t, 2>{7, i})());
  }
  EXPECT_EQ(all.seed(), 7U);
}

// Two attempts of some tasks throw. The context tells the attempt, because workers share no memory.
TYPED_TEST(conformance, retries) {
  const auto at_the_third = [](parmap::context& self, int x) {
    if (x % 10 == 3 && self.attempt() < 3) throw std::runtime_error("not yet");
    return self.attempt();
  };
  const auto all = parmap::map(TypeParam::engine, at_the_third, first(100), {.retries = 2});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i % 10 == 3 ? 3U : 1U);
}

TYPED_TEST(conformance, stop_before_the_start_runs_nothing) {
  std::stop_source source;
  source.request_stop();
  const auto f = [](int x) -> int { throw std::runtime_error("ran " + std::to_string(x)); };
  const auto all = parmap::map(TypeParam::engine, f, first(1000), {.stop = source.get_token()});
  ASSERT_EQ(all.failures().size(), 1000U);
  EXPECT_EQ(all.failures()[0].kind, parmap::failure::stopped);
  EXPECT_EQ(all.failures()[999].kind, parmap::failure::stopped);
}

TYPED_TEST(conformance, stop_between_two_attempts_tells_how_many_there_were) {
  if (!engines::has_stops_of_tasks<TypeParam>()) GTEST_SKIP() << "a task's request stays in its worker";
  std::stop_source source;
  const auto f = [&source](int x) {
    if (x == 1) {
      source.request_stop();
      throw std::runtime_error("once");
    }
    return x;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, first(3), {.retries = 2, .stop = source.get_token(), .workers = 1});
  EXPECT_TRUE(std::ranges::any_of(all.failures(), [](const parmap::failure& why) { return why.index == 1; }));
  // A worker of another machine may have run the last one, or not have begun the first.
  if (engines::agents<TypeParam>() == 1) {
    EXPECT_EQ(all.failures().size(), 2U);
    EXPECT_NE(all.failures()[0].index, 0U);
  }
  for (const parmap::failure& why : all.failures()) {
    EXPECT_EQ(why.kind, parmap::failure::stopped);
    EXPECT_EQ(why.attempts, why.index == 1 ? 1U : 0U);
  }
}

TYPED_TEST(conformance, stop_while_running_keeps_what_is_done) {
  std::stop_source source;
  // The reporter runs in the caller's thread while the map goes on.
  const auto stop_at_once = [&source](const parmap::progress&) { source.request_stop(); };
  std::atomic<bool> never{false};
  const auto f = [&never](int x) {
    for (int k = 0; k < 1000; ++k) static_cast<void>(never.load());
    return x;
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 100'000'000),
                               {.reporter = stop_at_once, .stop = source.get_token()});
  EXPECT_FALSE(all.ok());
  for (std::size_t k = 0; k < all.failures().size(); k += 1'000'000)
    EXPECT_EQ(all.failures()[k].kind, parmap::failure::stopped);
  EXPECT_EQ(all[0], 0);
}

TYPED_TEST(conformance, a_reporter_is_told_the_end) {
  parmap::progress last;
  int calls = 0;
  const auto keep = [&](const parmap::progress& now) {
    last = now;
    ++calls;
  };
  static_cast<void>(parmap::map(TypeParam::engine, square, first(100), {.reporter = keep}));
  if (!engines::has_reporter<TypeParam>()) {
    EXPECT_EQ(calls, 0);
    return;
  }
  EXPECT_GE(calls, 1);
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(last.total, 100U);
  EXPECT_EQ(last.completed, 100U);
  EXPECT_EQ(last.failed, 0U);
}

TYPED_TEST(conformance, what_a_reporter_throws_passes) {
  const auto f = [](int x) { return std::string(static_cast<std::size_t>(x % 10), 'x'); };
  const auto bad = [](const parmap::progress&) { throw std::domain_error("reporter"); };
  const auto run = [&] { static_cast<void>(parmap::map(TypeParam::engine, f, first(1000), {.reporter = bad})); };
  if (engines::has_reporter<TypeParam>()) EXPECT_THROW(run(), std::domain_error);
  else EXPECT_THROW(run(), std::runtime_error);
}

TYPED_TEST(conformance, the_same_seed_gives_the_same_numbers) {
  const auto draw = [](parmap::context& self, int) { return self.rng()(); };
  const auto once = parmap::map(TypeParam::engine, draw, first(100));
  const auto again = parmap::map(TypeParam::engine, draw, first(100), {.seed = once.seed()});
  const auto other = parmap::map(TypeParam::engine, draw, first(100));
  EXPECT_EQ(once.value(), again.value());
  EXPECT_NE(once.value(), other.value());
}

}  // namespace
