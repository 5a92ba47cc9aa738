// SPDX-License-Identifier: MIT
// The numbers of combinations in a store, against a table that gives each new combination the next number.
#include <parmap/detail/checkpoints/task_numbers.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

namespace {

using parmap::detail::extent;
using parmap::detail::task_numbers;
using positions = std::vector<std::vector<std::uint64_t>>;

positions grid(std::vector<std::uint64_t> sizes) {
  positions all;
  for (const std::uint64_t n : sizes) {
    all.emplace_back(n);
    std::iota(all.back().begin(), all.back().end(), std::uint64_t{0});
  }
  return all;
}

// Calls visit(combination) for each one, the last axis fastest.
template <class Visit>
void for_each_combination(const positions& axes, const Visit& visit) {
  std::vector<std::uint64_t> at(axes.size());
  const auto descend = [&](auto&& self, std::size_t axis) -> void {
    if (axis == axes.size()) return visit(at);
    for (const std::uint64_t each : axes[axis]) {
      at[axis] = each;
      self(self, axis + 1);
    }
  };
  descend(descend, 0);
}

std::vector<std::uint64_t> without_repeats(const std::vector<std::uint64_t>& all) {
  std::vector<std::uint64_t> kept;
  for (const std::uint64_t each : all)
    if (std::ranges::find(kept, each) == kept.end()) kept.push_back(each);
  return kept;
}

TEST(task_numbers, of_a_first_grid_are_the_indices_of_its_tasks) {
  task_numbers numbers;
  EXPECT_EQ(numbers.add(grid({3, 4, 2})).size(), 1U);
  std::uint64_t index = 0;
  for_each_combination(grid({3, 4, 2}), [&](const auto& at) { EXPECT_EQ(numbers.number(at), index++); });
  EXPECT_EQ(numbers.end(), 24U);
}

TEST(task_numbers, stay_while_the_axes_grow) {
  task_numbers numbers;
  numbers.add(grid({3, 4}));
  EXPECT_EQ(numbers.add(grid({3, 4})), std::vector<extent>());
  EXPECT_EQ(numbers.add(grid({5, 4})), (std::vector<extent>{{12, {{3, 2}, {0, 4}}}}));
  EXPECT_EQ(numbers.add(grid({5, 6})), (std::vector<extent>{{20, {{0, 5}, {4, 2}}}}));
  EXPECT_EQ(numbers.number(std::array<std::uint64_t, 2>{2, 3}), 11U);
  EXPECT_EQ(numbers.number(std::array<std::uint64_t, 2>{3, 0}), 12U);
  EXPECT_EQ(numbers.number(std::array<std::uint64_t, 2>{0, 5}), 21U);
  EXPECT_EQ(numbers.number(std::array<std::uint64_t, 2>{5, 0}), std::nullopt);
  std::array<std::uint64_t, 2> at{};
  EXPECT_TRUE(numbers.positions(21, at));
  EXPECT_EQ(at, (std::array<std::uint64_t, 2>{0, 5}));
  EXPECT_FALSE(numbers.positions(30, at));
}

TEST(task_numbers, both_axes_grow_at_once) {
  task_numbers numbers;
  numbers.add(grid({2, 2}));
  EXPECT_EQ(numbers.add(grid({3, 4})), (std::vector<extent>{{4, {{0, 2}, {2, 2}}}, {8, {{2, 1}, {0, 4}}}}));
}

TEST(task_numbers, of_an_empty_grid) {
  task_numbers numbers;
  EXPECT_TRUE(numbers.add(grid({3, 0})).empty());
  EXPECT_EQ(numbers.end(), 0U);
}

TEST(task_numbers, too_many_are_refused) {
  constexpr std::uint64_t half = std::uint64_t{1} << 62;
  task_numbers full({{0, {{0, half}}}, {half, {{half, half}}}});
  EXPECT_THROW(full.add(positions{{2 * half}}), std::length_error);
  EXPECT_THROW(task_numbers({{5, {{0, 2}}}, {6, {{2, 1}}}}), std::invalid_argument);
}

TEST(task_numbers, are_given_once_whatever_is_asked_for) {
  EXPECT_TRUE(rc::check("each combination has one number, which stays", [] {
    const auto axes = *rc::gen::inRange<std::size_t>(1, 4);
    task_numbers numbers;
    std::map<std::vector<std::uint64_t>, std::uint64_t> given;
    for (int call = 0; call < 5; ++call) {
      positions wanted;
      for (std::size_t k = 0; k < axes; ++k)
        wanted.push_back(
            without_repeats(*rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 7))));
      const std::uint64_t before = numbers.end();
      std::uint64_t added = 0;
      for (const extent& each : numbers.add(wanted)) added += each.size();
      std::uint64_t fresh = 0;
      for_each_combination(wanted, [&](const auto& at) {
        const auto number = numbers.number(at);
        RC_ASSERT(number.has_value());
        const auto [known, is_new] = given.emplace(at, *number);
        RC_ASSERT(known->second == *number);
        RC_ASSERT(!is_new || *number >= before);
        fresh += is_new ? 1 : 0;
        std::vector<std::uint64_t> back(axes);
        RC_ASSERT(numbers.positions(*number, back));
        RC_ASSERT(back == at);
      });
      RC_ASSERT(fresh == added);
      // As a store reads them.
      const task_numbers again(numbers.extents());
      RC_ASSERT(again.end() == numbers.end());
    }
    std::set<std::uint64_t> all;
    for (const auto& [at, number] : given) all.insert(number);
    RC_ASSERT(all.size() == given.size());
  }));
}

}  // namespace
