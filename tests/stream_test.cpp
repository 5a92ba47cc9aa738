// SPDX-License-Identifier: MIT
// stream on every engine that has it: each outcome once, in order if asked, in memory of a window; what owns what, and
// how it ends.
#include "leftovers.hpp"
#include "streams.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using streams::counting_range;
using streams::shared_count;
using streams::twice;

template <class Engine>
class stream : public leftovers::none {};
TYPED_TEST_SUITE(stream, streams::all_engines, streams::names);

TYPED_TEST(stream, gives_each_outcome_once) {
  std::set<std::uint64_t> seen;
  for (auto&& [index, outcome] : parmap::stream(TypeParam::engine, twice, std::views::iota(0, 5000))) {
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(*outcome, 2 * static_cast<int>(index));
    EXPECT_TRUE(seen.insert(index).second);
  }
  EXPECT_EQ(seen.size(), 5000U);
}

TYPED_TEST(stream, is_in_order_if_asked) {
  for (const std::uint64_t window : {0U, 1U, 7U}) {
    std::uint64_t next = 0;
    for (auto&& [index, outcome] :
         parmap::stream(TypeParam::engine, twice, std::views::iota(0, 1000), {.ordered = true, .window = window})) {
      EXPECT_EQ(index, next++);
      EXPECT_EQ(outcome.value(), 2 * static_cast<int>(index));
    }
    EXPECT_EQ(next, 1000U);
  }
}

TYPED_TEST(stream, of_no_tasks_ends) {
  const std::vector<int> nothing;
  for (auto&& each : parmap::stream(TypeParam::engine, twice, nothing)) FAIL() << each.index;
  std::istringstream empty;
  for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::istream<int>(empty))) FAIL() << each.index;
  const auto sum = [](int a, int b) { return a + b; };
  for (auto&& each : parmap::stream(TypeParam::engine, sum, std::views::iota(0), nothing)) FAIL() << each.index;
}

TYPED_TEST(stream, runs_ahead_by_the_window_only) {
  const shared_count begun;
  const auto count = [&begun](int x) {
    ++*begun;
    return x;
  };
  constexpr int window = 5;
  int read = 0;
  const bool runs_ahead = TypeParam::engine.name() != "serial";
  for (auto&& each : parmap::stream(TypeParam::engine, count, std::views::iota(0, 100), {.window = window})) {
    ASSERT_TRUE(each.outcome);
    ++read;
    EXPECT_LE(*begun, read + window);
    // Workers go on while this loop's body runs, but for a rest: they are not woken for each task.
    if (runs_ahead) {
      EXPECT_TRUE(begun.reaches(std::min(read + window / 2, 100)));
    }
    EXPECT_LE(*begun, read + window);
  }
  EXPECT_EQ(read, 100);
}

TYPED_TEST(stream, reads_a_single_pass_axis_as_far_as_the_window_needs) {
  int read = 0;
  int taken = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, twice, counting_range(read), {.ordered = true, .window = 8})) {
    EXPECT_EQ(*each.outcome, 2 * taken);
    ++taken;
    EXPECT_LE(read, taken + 8);
    if (taken == 300) break;
  }
  EXPECT_EQ(taken, 300);
}

TYPED_TEST(stream, leaves_nothing_when_its_loop_is_left) {
  for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0))) {
    static_cast<void>(each);
    break;
  }
  EXPECT_THROW(
      {
        for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0)))
          throw std::runtime_error(std::to_string(each.index));
      },
      std::runtime_error);
  static_cast<void>(parmap::stream(TypeParam::engine, twice, std::views::iota(0)));
}

TYPED_TEST(stream, may_be_closed) {
  auto all = parmap::stream(TypeParam::engine, twice, std::views::iota(0));
  EXPECT_TRUE((*all.begin()).outcome.has_value());
  all.close();
  EXPECT_TRUE(all.begin() == all.end());
  EXPECT_EQ(all.summary().completed, 1U);
}

TYPED_TEST(stream, of_another_one_runs_beside_it) {
  auto odd = parmap::stream(TypeParam::engine, [](int x) { return 2 * x + 1; }, std::views::iota(0), {.ordered = true});
  auto at = odd.begin();
  int taken = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0, 50), {.ordered = true})) {
    EXPECT_EQ(*each.outcome + 1, *(*at).outcome);
    ++at;
    ++taken;
  }
  EXPECT_EQ(taken, 50);
}

TYPED_TEST(stream, may_be_inside_a_task) {
  const auto sum_below = [](int n) {
    int sum = 0;
    for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0, n))) sum += each.outcome.value();
    return sum;
  };
  int tasks = 0;
  for (auto&& [index, outcome] : parmap::stream(TypeParam::engine, sum_below, std::views::iota(0, 6))) {
    const int n = static_cast<int>(index);
    EXPECT_EQ(outcome.value(), n * (n - 1));
    ++tasks;
  }
  EXPECT_EQ(tasks, 6);
}

TYPED_TEST(stream, outlives_the_thread_that_made_it) {
  using made = decltype(parmap::stream(TypeParam::engine, twice, std::views::iota(0, 300)));
  std::optional<made> all;
  std::thread([&all] { all.emplace(parmap::stream(TypeParam::engine, twice, std::views::iota(0, 300))); }).join();
  int taken = 0;
  std::thread([&] {
    for (auto&& each : *all) taken += each.outcome ? 1 : 0;
  }).join();
  EXPECT_EQ(taken, 300);
  all.reset();
}

TYPED_TEST(stream, owns_its_function_and_its_temporaries) {
  auto text = std::make_unique<std::string>("o");
  auto repeat = [text = std::move(text)](int n) {
    std::string all;
    for (int i = 0; i < n; ++i) all += *text;
    return std::make_unique<std::string>(all);
  };
  auto all = parmap::stream(TypeParam::engine, std::move(repeat), std::vector{0, 1, 2, 3}, {.ordered = true});
  std::string together;
  for (auto&& each : all) together += **each.outcome + ".";
  EXPECT_EQ(together, ".o.oo.ooo.");
}

TYPED_TEST(stream, has_outcomes_without_values) {
  int done = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, [](int) {}, std::views::iota(0, 20)))
    done += each.outcome.has_value() ? 1 : 0;
  EXPECT_EQ(done, 20);
}

TYPED_TEST(stream, gives_large_results) {
  const auto fill = [](int n) { return std::vector<int>(static_cast<std::size_t>(n) * 1000, n); };
  std::size_t size = 0;
  for (auto&& [index, outcome] : parmap::stream(TypeParam::engine, fill, std::views::iota(0, 100))) {
    const auto n = static_cast<int>(index);
    ASSERT_TRUE(outcome);
    EXPECT_TRUE(std::ranges::all_of(*outcome, [n](int each) { return each == n; }));
    size += outcome->size();
  }
  EXPECT_EQ(size, 1000U * (99 * 100 / 2));
}

}  // namespace
