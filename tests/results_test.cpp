// SPDX-License-Identifier: MIT
// results<T>: every member for every kind of T. Exactly the values that exist are destroyed, each once.
#include <parmap/parmap.hpp>

#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <ranges>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::failure;
using parmap::failure_list;
using parmap::results;

const std::vector<int> five{0, 1, 2, 3, 4};

// Task 1 and task 3 fail.
template <class Make>
auto odd_ones_fail(Make make) {
  return parmap::map(
      parmap::threads,
      [make](int x) {
        if (x % 2 == 1) throw std::domain_error("odd " + std::to_string(x));
        return make(x);
      },
      five);
}
std::string name(int x) { return "name of " + std::to_string(x); }

struct no_default {
  explicit no_default(int x) : value(x) {}
  int value;
};

static_assert(!std::copy_constructible<results<int>> && !std::is_copy_assignable_v<results<int>>);
static_assert(std::is_nothrow_move_constructible_v<results<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<results<std::string>>);
static_assert(!std::copy_constructible<results<void>> && std::movable<results<void>>);

template <class R>
concept has_get_if = requires(R r) { static_cast<R&&>(r).get_if(0); };
template <class R>
concept has_values = requires(R r) { static_cast<R&&>(r).values(); };
template <class R>
concept has_data = requires(R r) { static_cast<R&&>(r).data(); };
static_assert(has_get_if<results<int>&> && has_values<const results<int>&> && has_data<const results<int>&>);
static_assert(!has_get_if<results<int>> && !has_values<results<int>> && !has_data<results<int>>);
using values_of_int = decltype(std::declval<const results<int>&>().values());
static_assert(std::ranges::view<values_of_int> && std::ranges::forward_range<const values_of_int> &&
              std::ranges::sized_range<const values_of_int>);
static_assert(std::same_as<decltype(std::declval<results<int>&>()[0]), const int&>);
static_assert(std::same_as<decltype(std::declval<results<int>>()[0]), int>);
static_assert(std::same_as<decltype(std::declval<results<int>&>().failures()), const failure_list&>);
static_assert(std::same_as<decltype(std::declval<results<int>>().failures()), failure_list>);

TEST(results, without_a_failure) {
  const auto all = parmap::map(parmap::threads, name, five, {.seed = 17});
  static_assert(std::same_as<decltype(all), const results<std::string>>);
  EXPECT_EQ(all.size(), 5U);
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(all.seed(), 17U);
  EXPECT_TRUE(all.failures().empty());
  EXPECT_EQ(all[2], "name of 2");
  EXPECT_EQ(all.get_if(2), &all[2]);
  EXPECT_EQ(all.data() + 4, &all[4]);
  const std::vector<std::string> expected{"name of 0", "name of 1", "name of 2", "name of 3", "name of 4"};
  EXPECT_EQ(all.value(), expected);
  EXPECT_EQ(all.value_or("none"), expected);
  EXPECT_TRUE(std::ranges::equal(all.values(), expected));
  EXPECT_EQ(all[0], "name of 0");  // value() copied
}

TEST(results, with_failures) {
  const auto all = odd_ones_fail(name);
  EXPECT_FALSE(all.ok());
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[1].index, 3U);
  EXPECT_EQ(all.get_if(1), nullptr);
  EXPECT_EQ(*all.get_if(4), "name of 4");
  EXPECT_THROW(static_cast<void>(all.value()), parmap::map_failed);
  EXPECT_THROW(static_cast<void>(all.data()), parmap::map_failed);
  EXPECT_EQ(all.value_or("-"), (std::vector<std::string>{"name of 0", "-", "name of 2", "-", "name of 4"}));
  EXPECT_EQ(all.value_or_else([](const failure& why) { return why.message; }),
            (std::vector<std::string>{"name of 0", "std::domain_error: odd 1", "name of 2", "std::domain_error: odd 3",
                                      "name of 4"}));
  EXPECT_TRUE(std::ranges::equal(all.values(), std::vector<std::string>{"name of 0", "name of 2", "name of 4"}));
  EXPECT_EQ(&*all.values().begin(), &all[0]);
}

TEST(results, task_failed_says_why) {
  const auto all = odd_ones_fail(name);
  try {
    static_cast<void>(all[3]);
    FAIL();
  } catch (const parmap::task_failed& error) {
    EXPECT_STREQ(error.what(), "task 3 (3) threw: std::domain_error: odd 3");
    EXPECT_EQ(error.why().index, 3U);
    EXPECT_THROW(error.why().rethrow(), std::domain_error);
  }
  EXPECT_THROW(static_cast<void>(odd_ones_fail(name)[1]), parmap::task_failed);
}

TEST(results, map_failed_has_every_failure) {
  try {
    static_cast<void>(odd_ones_fail(name).value());
    FAIL();
  } catch (const parmap::map_failed& error) {
    EXPECT_STREQ(error.what(), "2 of 5 tasks failed\n  task 1 (1) threw: std::domain_error: odd 1\n"
                               "  task 3 (3) threw: std::domain_error: odd 3");
    ASSERT_EQ(error.failures().size(), 2U);
    EXPECT_EQ(error.failures()[1].index, 3U);
  }
}

TEST(results, summary_counts_and_takes_the_time) {
  const parmap::map_summary all = odd_ones_fail(name).summary();
  EXPECT_EQ(all.tasks, 5U);
  EXPECT_EQ(all.completed, 3U);
  EXPECT_GT(all.elapsed.count(), 0);
  ASSERT_EQ(all.causes.size(), 1U);
  EXPECT_EQ(to_string(all.causes[0]), "2 x threw: std::domain_error: odd ...; first task 1 (1)");
  parmap::results<std::string> moved = odd_ones_fail(name);
  const parmap::results<std::string> kept = std::move(moved);
  EXPECT_GT(kept.summary().elapsed.count(), 0);
}

TEST(results, an_index_beyond_the_end_is_out_of_range) {
  const auto all = parmap::map(parmap::threads, name, five);
  EXPECT_THROW(static_cast<void>(all[5]), std::out_of_range);
  EXPECT_THROW(static_cast<void>(odd_ones_fail(name)[~std::uint64_t{}]), std::out_of_range);
  EXPECT_EQ(all.get_if(5), nullptr);
  try {
    static_cast<void>(all[5]);
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "parmap: there is no task 5 in results of size 5");
  }
}

TEST(results, of_nothing) {
  const std::vector<int> none;
  const auto all = parmap::map(parmap::threads, name, none);
  EXPECT_EQ(all.size(), 0U);
  EXPECT_TRUE(all.ok());
  EXPECT_TRUE(all.value().empty());
  EXPECT_EQ(std::ranges::distance(all.values()), 0);
  EXPECT_THROW(static_cast<void>(all[0]), std::out_of_range);
  const auto forked = parmap::map([](int x) { return x; }, none);
  EXPECT_TRUE(forked.ok());
  EXPECT_TRUE(forked.value().empty());
}

TEST(results, failures_of_a_temporary_are_owned) {
  std::vector<std::uint64_t> indices;
  for (const failure& why : odd_ones_fail(name).failures()) indices.push_back(why.index);
  EXPECT_EQ(indices, (std::vector<std::uint64_t>{1, 3}));

  auto all = odd_ones_fail(name);
  const failure_list taken = std::move(all).failures();
  EXPECT_EQ(taken.size(), 2U);
}

TEST(results, moves_values_out_of_a_temporary) {
  const auto make = [](int x) { return std::make_unique<int>(x); };
  const auto all = parmap::map(parmap::threads, make, five).value();
  EXPECT_EQ(*all[4], 4);
  EXPECT_EQ(*odd_ones_fail(make)[2], 2);
  const auto filled = odd_ones_fail(make).value_or_else([](const failure&) { return std::make_unique<int>(-1); });
  EXPECT_EQ(*filled[1], -1);
  EXPECT_EQ(*filled[2], 2);
  const auto patient = odd_ones_fail([](int x) { return std::make_shared<int>(x); }).value_or(nullptr);
  EXPECT_EQ(patient[3], nullptr);
  EXPECT_EQ(patient[4].use_count(), 1);  // moved from `all`, not copied
}

TEST(results, of_a_type_without_default_constructor) {
  const auto make = [](int x) { return no_default(x); };
  EXPECT_EQ(parmap::map(parmap::threads, make, five).value()[3].value, 3);
  EXPECT_EQ(odd_ones_fail(make).value_or(no_default(-1))[3].value, -1);
  EXPECT_EQ(parmap::map(make, five)[3].value, 3);
}

TEST(results, of_bool) {
  for (const auto& who : {parmap::engine_named("threads"), parmap::engine_named("multi")}) {
    const auto all = parmap::map(who, [](int x) { return x % 2 == 0; }, five);
    EXPECT_TRUE(all[0]);
    EXPECT_FALSE(all[1]);
    static_assert(std::same_as<decltype(all.data()), const bool*>);
    EXPECT_FALSE(all.data()[3]);
    EXPECT_EQ(all.value(), (std::vector<bool>{true, false, true, false, true}));
    EXPECT_EQ(std::ranges::distance(all.values()), 5);
  }
  EXPECT_EQ(odd_ones_fail([](int) { return false; }).value_or(true),
            (std::vector<bool>{false, true, false, true, false}));
}

TEST(results, of_void) {
  const auto good = parmap::map(parmap::threads, [](int) {}, five, {.seed = 3});
  static_assert(std::same_as<decltype(good), const results<void>>);
  EXPECT_EQ(good.size(), 5U);
  EXPECT_EQ(good.seed(), 3U);
  EXPECT_TRUE(good.ok());
  EXPECT_NO_THROW(good.value());
  EXPECT_NO_THROW(good[4]);
  EXPECT_THROW(good[5], std::out_of_range);
  const auto bad = odd_ones_fail([](int) {});
  EXPECT_FALSE(bad.ok());
  EXPECT_THROW(bad.value(), parmap::map_failed);
  EXPECT_NO_THROW(bad[0]);
  EXPECT_THROW(bad[1], parmap::task_failed);
  EXPECT_EQ(bad.failures().size(), 2U);
}

TEST(results, references_and_const_fall_off) {
  static_assert(
      std::same_as<
          decltype(parmap::map(parmap::threads, [](const int& x) -> const int& { return x; }, five)), results<int>>);
  const auto all = parmap::map([](const int& x) -> const int& { return x; }, five);
  EXPECT_EQ(all.value(), five);
}

TEST(results, what_value_or_else_throws_passes) {
  const auto all = odd_ones_fail(name);
  EXPECT_THROW(static_cast<void>(all.value_or_else([](const failure&) -> std::string { throw 42; })), int);
  EXPECT_EQ(all[0], "name of 0");
}

TEST(results, what_they_were_moved_from_is_empty) {
  auto from = odd_ones_fail([](int x) { return x; });
  const auto to = std::move(from);
  EXPECT_EQ(to.size(), five.size());
  // NOLINTBEGIN(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(from.size(), 0U);
  EXPECT_TRUE(from.ok());
  EXPECT_TRUE(from.failures().empty());
  EXPECT_EQ(from.get_if(0), nullptr);
  EXPECT_THROW(static_cast<void>(from[0]), std::out_of_range);
  EXPECT_EQ(from.values().size(), 0U);
  EXPECT_TRUE(from.value().empty());
  // NOLINTEND(bugprone-use-after-move)
}

TEST(results, a_stopped_map_of_a_milliard_tasks_costs_one_entry) {
  constexpr std::uint64_t milliard = 1'000'000'000;
  std::stop_source source;
  source.request_stop();
  for (const char* const engine : {"serial", "threads", "multi"}) {
    const auto all = parmap::map(parmap::engine_named(engine), [](std::uint64_t) {},
                                 std::views::iota(std::uint64_t{0}, milliard), {.stop = source.get_token()});
    EXPECT_EQ(all.size(), milliard);
    ASSERT_EQ(all.failures().size(), milliard) << engine;
    EXPECT_EQ(all.failures()[milliard / 2].index, milliard / 2);
    EXPECT_EQ(all.failures().back().kind, failure::stopped);
    EXPECT_EQ(all.failures().back().attempts, 0U);
    EXPECT_EQ(all.failures().back().message, "a stop was requested");
    EXPECT_THROW(all[milliard - 1], parmap::task_failed);
  }
}

// Records every construction and destruction. A destruction without construction, or a second construction in one
// place, is an error.
class counted {
 public:
  explicit counted(int value) : value_(value) { born(); }
  counted(const counted& other) : value_(other.value_) { born(); }
  counted(counted&& other) noexcept : value_(std::exchange(other.value_, -1)) { born(); }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) = default;
  ~counted() {
    const std::scoped_lock lock(mutex_);
    if (places_.erase(this) != 1) ++errors_;
  }
  [[nodiscard]] int value() const { return value_; }

  static std::size_t alive() { return places_.size(); }
  static int errors() { return errors_; }

 private:
  void born() {
    const std::scoped_lock lock(mutex_);
    if (!places_.insert(this).second) ++errors_;
  }
  int value_;
  static inline std::mutex mutex_;
  static inline std::set<const counted*> places_;
  static inline int errors_{0};
};

class lifetimes : public ::testing::Test {
 protected:
  static auto make() {
    return odd_ones_fail([](int x) { return counted(x); });
  }
  void TearDown() override {
    EXPECT_EQ(counted::alive(), 0U);
    EXPECT_EQ(counted::errors(), 0);
  }
};

TEST_F(lifetimes, only_what_was_made_is_destroyed) {
  const auto all = make();
  EXPECT_EQ(counted::alive(), 3U);
}

TEST_F(lifetimes, moving_moves_no_value) {
  auto first = make();
  const counted* at = first.get_if(2);
  auto second = std::move(first);
  EXPECT_EQ(counted::alive(), 3U);
  EXPECT_EQ(second.get_if(2), at);
  EXPECT_EQ(second[4].value(), 4);
}

TEST_F(lifetimes, assignment_destroys_the_old_values) {
  auto first = make();
  auto second = parmap::map(parmap::threads, [](int x) { return counted(10 * x); }, five);
  EXPECT_EQ(counted::alive(), 8U);
  first = std::move(second);
  EXPECT_EQ(counted::alive(), 5U);
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(first[3].value(), 30);
  auto& same = first;
  first = std::move(same);
  EXPECT_EQ(counted::alive(), 5U);
  first = make();
  EXPECT_EQ(counted::alive(), 3U);
  EXPECT_EQ(first.failures().size(), 2U);
}

TEST_F(lifetimes, taking_values_leaves_the_rest_destructible) {
  EXPECT_EQ(make()[2].value(), 2);
  EXPECT_EQ(make().value_or(counted(7))[1].value(), 7);
  EXPECT_EQ(make().failures().size(), 2U);
  EXPECT_THROW(static_cast<void>(make().value()), parmap::map_failed);
  EXPECT_EQ(parmap::map(parmap::threads, [](int x) { return counted(x); }, five).value().size(), 5U);
}

TEST_F(lifetimes, an_exception_out_of_serial_destroys_what_was_done) {
  const auto third_throws = [](int x) {
    if (x == 3) throw std::runtime_error("three");
    return counted(x);
  };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::serial, third_throws, five)), std::runtime_error);
}

TEST_F(lifetimes, any_set_of_failures) {
  check_property([] {
    const auto failed = *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>());
    const bool in_runs = *rc::gen::arbitrary<bool>();
    parmap::detail::result_memory<counted> slots(failed.size());
    std::vector<std::pair<failure, std::uint64_t>> list;
    std::size_t made = 0;
    for (std::size_t i = 0; i < failed.size(); ++i) {
      if (failed[i] && in_runs && i > 0 && failed[i - 1]) ++list.back().second;
      else if (failed[i]) list.emplace_back(failure{i, failure::threw, "", 1, nullptr}, 1);
      else ::new (static_cast<void*>(slots.data() + i)) counted(static_cast<int>(i)), ++made;
    }
    {
      results<counted> first(std::move(slots), failure_list(std::move(list)), 0);
      const results<counted> all(std::move(first));
      RC_ASSERT(counted::alive() == made);
      const auto filled = all.value_or(counted(-1));
      for (std::size_t i = 0; i < failed.size(); ++i)
        RC_ASSERT(filled[i].value() == (failed[i] ? -1 : static_cast<int>(i)));
      const auto values = all.values();
      RC_ASSERT(values.size() == made);
      std::size_t i = 0;
      for (const counted& each : values) {
        while (failed[i]) ++i;
        RC_ASSERT(&each == all.get_if(i++));
        --made;
      }
      RC_ASSERT(made == 0U);
    }
    RC_ASSERT(counted::alive() == 0U);
    RC_ASSERT(counted::errors() == 0);
  });
}

}  // namespace
