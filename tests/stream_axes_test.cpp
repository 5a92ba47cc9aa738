// SPDX-License-Identifier: MIT
// The axes of a stream: those that never end, those that can be read once only, several, and those that throw.
#include "leftovers.hpp"
#include "streams.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using streams::counting_range;
using streams::twice;

template <class Engine>
class stream_axes : public leftovers::none {};
TYPED_TEST_SUITE(stream_axes, streams::without_named, streams::names);

TYPED_TEST(stream_axes, of_an_endless_axis_is_taken_from) {
  std::vector<int> first;
  for (auto&& each :
       parmap::stream(TypeParam::engine, twice, std::views::iota(0), {.ordered = true}) | std::views::take(10))
    first.push_back(*each.outcome);
  EXPECT_EQ(first, (std::vector{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}));
}

TYPED_TEST(stream_axes, reads_words) {
  std::istringstream text("one two three");
  std::vector<std::string> shouted;
  const auto shout = [](const std::string& word) { return word + "!"; };
  for (auto&& each :
       parmap::stream(TypeParam::engine, shout, std::views::istream<std::string>(text), {.ordered = true}))
    shouted.push_back(*each.outcome);
  EXPECT_EQ(shouted, (std::vector<std::string>{"one!", "two!", "three!"}));
}

TYPED_TEST(stream_axes, combines_a_single_pass_axis_with_others) {
  std::istringstream numbers("1 2 3");
  std::vector<int> products;
  const auto times = [](int a, int b) { return a * b; };
  for (auto&& each : parmap::stream(TypeParam::engine, times, std::views::istream<int>(numbers), std::vector{1, 10},
                                    {.ordered = true}))
    products.push_back(*each.outcome);
  EXPECT_EQ(products, (std::vector{1, 10, 2, 20, 3, 30}));
}

TYPED_TEST(stream_axes, reads_zipped_axes) {
  std::istringstream numbers("0 1 2");
  std::vector<int> sums;
  const auto sum = [](int a, const std::string& b, int c) { return a + static_cast<int>(b.size()) + c; };
  const std::vector<std::string> words{"a", "bb", "ccc"};
  for (auto&& each :
       parmap::stream(TypeParam::engine, sum,
                      parmap::zip(std::views::istream<int>(numbers), words, std::views::iota(10)), {.ordered = true}))
    sums.push_back(each.outcome.value());
  EXPECT_EQ(sums, (std::vector{11, 14, 17}));
}

TYPED_TEST(stream_axes, of_zipped_axes_of_unequal_lengths_throws_after_the_shorter) {
  std::istringstream numbers("1 2 3");
  const std::vector<int> two{10, 20};
  const auto sum = [](int a, int b) { return a + b; };
  int taken = 0;
  EXPECT_THROW(
      {
        for (auto&& each : parmap::stream(TypeParam::engine, sum, parmap::zip(std::views::istream<int>(numbers), two)))
          taken += each.outcome ? 1 : 0;
      },
      std::invalid_argument);
  EXPECT_EQ(taken, 2);
}

TYPED_TEST(stream_axes, ends_with_what_its_axis_throws_after_the_outcomes_before) {
  int read = 0;
  int taken = 0;
  try {
    for (auto&& each : parmap::stream(TypeParam::engine, twice, counting_range(read, 20), {.ordered = true})) {
      EXPECT_EQ(*each.outcome, 2 * taken);
      ++taken;
    }
    FAIL();
  } catch (const std::runtime_error& why) {
    EXPECT_STREQ(why.what(), "the input has broken off");
  }
  EXPECT_EQ(taken, 20);
}

}  // namespace
