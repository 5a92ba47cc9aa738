// SPDX-License-Identifier: MIT
// outcome<T>: the interface of std::expected; and results::outcomes().
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::failure;
using parmap::outcome;

failure no_root() { return {7, failure::threw, "no root", 1, nullptr}; }

static_assert(std::copyable<outcome<std::string>> && std::movable<outcome<std::unique_ptr<int>>>);
static_assert(!std::copyable<outcome<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<outcome<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<outcome<std::string>>);
static_assert(sizeof(outcome<double>) == 2 * sizeof(double), "a stream of numbers is to touch few cache lines");
static_assert(std::same_as<outcome<int>::value_type, int> && std::same_as<outcome<void>::error_type, failure>);
static_assert(!std::convertible_to<outcome<int>, bool> && !std::convertible_to<outcome<int>, int>);
static_assert(std::convertible_to<const char*, outcome<std::string>> && std::convertible_to<failure, outcome<int>>);
#ifdef __cpp_lib_expected
static_assert(std::convertible_to<outcome<int>, std::expected<int, failure>>);
static_assert(std::convertible_to<outcome<void>, std::expected<void, failure>>);
#endif

TEST(outcome, with_a_value) {
  outcome<std::string> it = "text";
  EXPECT_TRUE(it && it.has_value());
  EXPECT_EQ(*it, "text");
  EXPECT_EQ(it->size(), 4U);
  EXPECT_EQ(it.value(), "text");
  EXPECT_EQ(it.value_or("other"), "text");
  *it += '!';
  EXPECT_EQ(std::as_const(it).value(), "text!");
  const std::string moved = std::move(it).value();
  EXPECT_EQ(moved, "text!");
}

TEST(outcome, with_a_failure) {
  const outcome<std::string> it = no_root();
  EXPECT_FALSE(it || it.has_value());
  EXPECT_EQ(it.error().index, 7U);
  EXPECT_EQ(it.value_or("other"), "other");
  try {
    static_cast<void>(it.value());
    FAIL();
  } catch (const parmap::task_failed& why) {
    EXPECT_STREQ(why.what(), "task 7 threw: no root");
  }
}

TEST(outcome, copies_own_their_failure_and_what_was_moved_from_has_an_empty_one) {
  outcome<int> it = no_root();
  outcome<int> copy = it;
  EXPECT_NE(&copy.error(), &it.error());
  outcome<int> moved = std::move(it);
  EXPECT_EQ(moved.error().message, "no root");
  EXPECT_FALSE(it);  // NOLINT(bugprone-use-after-move): on purpose
  EXPECT_EQ(it.error().message, "");
  it = copy;
  const failure taken = std::move(copy).error();
  EXPECT_EQ(taken.message, "no root");
  EXPECT_EQ(it.error().message, "no root");
  it = 5;
  EXPECT_EQ(*it, 5);
}

TEST(outcome, of_nothing) {
  const outcome<void> well;
  const outcome<void> badly = no_root();
  EXPECT_TRUE(well);
  EXPECT_NO_THROW(well.value());
  EXPECT_FALSE(badly);
  EXPECT_THROW(badly.value(), parmap::task_failed);
  EXPECT_TRUE(badly.or_else([](const failure&) { return outcome<void>(); }));
  EXPECT_TRUE(well.or_else([](const failure& why) { return outcome<void>(why); }));
}

TEST(outcome, chains) {
  const auto half = [](int i) -> outcome<int> {
    if (i % 2 != 0) return no_root();
    return i / 2;
  };
  const auto text = [](int i) { return std::to_string(i); };
  EXPECT_EQ(*outcome<int>(8).and_then(half).transform(text), "4");
  EXPECT_EQ(outcome<int>(7).and_then(half).transform(text).error().message, "no root");
  const outcome<int> odd = half(3);
  EXPECT_EQ(*odd.or_else([](const failure& why) -> outcome<int> { return static_cast<int>(why.index); }), 7);
  EXPECT_EQ(*outcome<int>(8).or_else([](const failure& why) -> outcome<int> { return why; }), 8);
  outcome<std::unique_ptr<int>> owned = std::make_unique<int>(5);
  EXPECT_EQ(*std::move(owned).transform([](std::unique_ptr<int> it) { return *it; }), 5);
}

int even(int i) {
  if (i % 2 == 1) throw std::domain_error("odd");
  return i * 10;
}

TEST(results_outcomes, one_for_each_task_in_input_order) {
  const auto all = parmap::map(parmap::threads, even, std::views::iota(0, 5));
  const auto items = all.outcomes();
  static_assert(std::ranges::random_access_range<decltype(items)> && std::ranges::sized_range<decltype(items)>);
  ASSERT_EQ(items.size(), 5U);
  std::uint64_t next = 0;
  for (const auto& [index, one] : items) {
    EXPECT_EQ(index, next++);
    EXPECT_EQ(one.has_value(), index % 2 == 0);
    if (one) EXPECT_EQ(*one, static_cast<int>(index) * 10);
    else EXPECT_EQ(one.error().index, index);
  }
}

TEST(results_outcomes, of_a_temporary_are_moved_out) {
  const auto owned = [](int i) {
    if (i == 1) throw std::domain_error("one");
    return std::make_unique<int>(i);
  };
  auto items = parmap::map(parmap::threads, owned, std::views::iota(0, 3)).outcomes();
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(**items[2].outcome, 2);
  EXPECT_EQ(items[1].outcome.error().index, 1U);
}

TEST(results_outcomes, of_tasks_without_a_value) {
  const auto f = [](int i) {
    if (i == 1) throw std::domain_error("one");
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 3));
  std::vector<bool> well;
  for (const auto& [index, one] : all.outcomes()) well.push_back(one.has_value());
  EXPECT_EQ(well, (std::vector<bool>{true, false, true}));
}

}  // namespace
