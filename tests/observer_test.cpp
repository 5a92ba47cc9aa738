// SPDX-License-Identifier: MIT
// What every engine tells an observer, and options::times.
#include "engines.hpp"
#include "recorded_attempts.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

template <class Engine>
class observer : public ::testing::Test {};
TYPED_TEST_SUITE(observer, engines::all, engines::names);
template <class Engine>
class observer_skipping : public ::testing::Test {};
TYPED_TEST_SUITE(observer_skipping, engines::skipping, engines::names);

const auto numbers = std::views::iota(0, 300);

TYPED_TEST(observer, hears_of_each_task_with_its_value) {
  recorded::attempts heard(sizeof(int));
  const auto made = recorded::map(heard, TypeParam::engine, [](int x) { return 3 * x; }, numbers, {.workers = 3});
  heard.expect_as(made);
  EXPECT_GE(heard.births(), 1U);
  EXPECT_LE(heard.births(), 3U);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto& bytes = heard.of(i).value;
    ASSERT_EQ(bytes.size(), sizeof(int)) << i;
    int value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    EXPECT_EQ(value, made[i]);
  }
}

TYPED_TEST(observer, hears_of_values_that_are_no_plain_objects) {
  recorded::attempts heard;
  heard.expect_as(recorded::map(heard, TypeParam::engine,
                                [](int x) { return std::string(50, 'a') + std::to_string(x); }, numbers,
                                {.workers = 2}));
}

TYPED_TEST(observer, hears_of_every_attempt) {
  recorded::attempts heard;
  const auto f = [](parmap::context& self, int x) {
    if (x % 10 == 3 && self.attempt() < 3) throw std::runtime_error("attempt " + std::to_string(self.attempt()));
    return x;
  };
  const auto made = recorded::map(heard, TypeParam::engine, f, numbers, {.retries = 2, .workers = 2});
  heard.expect_as(made);
  for (std::uint64_t i = 3; i < 300; i += 10) {
    const auto& it = heard.of(i);
    ASSERT_EQ(it.whys.size(), 2U) << i;
    EXPECT_NE(it.whys[0].message.find("attempt 1"), std::string::npos);
    EXPECT_NE(it.whys[1].message.find("attempt 2"), std::string::npos);
    EXPECT_EQ(it.begun.size(), 3U);
  }
  EXPECT_TRUE(heard.of(4).whys.empty());
}

TYPED_TEST(observer, hears_of_attempts_that_wait_between) {
  recorded::attempts heard;
  const auto f = [](parmap::context& self, int x) {
    if (x % 10 == 3 && self.attempt() < 3) throw std::runtime_error("not yet");
    return x;
  };
  const auto made = recorded::map(heard, TypeParam::engine, f, std::views::iota(0, 30),
                                  {.retries = 2, .retry_delay = 1ms, .workers = 2});
  heard.expect_as(made);
  EXPECT_EQ(heard.of(3).whys.size(), 2U);
}

TYPED_TEST(observer_skipping, hears_of_failures) {
  recorded::attempts heard;
  const auto f = [](int x) {
    if (x % 7 == 1) throw std::invalid_argument("x = " + std::to_string(x));
    return x;
  };
  const auto made = recorded::map(heard, TypeParam::engine, f, numbers, {.retries = 1, .workers = 2});
  EXPECT_EQ(made.failures().size(), 43U);
  heard.expect_as(made);
}

template <class Engine>
class observer_with_limits : public ::testing::Test {};
using limiting = ::testing::Types<engines::threads, engines::multi>;  // async needs a coroutine: async_test
TYPED_TEST_SUITE(observer_with_limits, limiting, engines::names);

TYPED_TEST(observer_with_limits, hears_of_late_tasks) {
  recorded::attempts heard;
  const auto f = [](parmap::context& self, int x) {
    if (x == 2)
      while (!self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
    return x;
  };
  const auto made = recorded::map(heard, TypeParam::engine, f, std::views::iota(0, 5), {.timeout = 50ms, .workers = 2});
  ASSERT_EQ(made.failures().size(), 1U);
  EXPECT_EQ(made.failures()[0].kind, failure::timed_out);
  heard.expect_as(made);
}

// Waits for `x` ms, and heeds its cancellation if x is even.
asio::awaitable<int> wait_for(int x) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(x));
  if (x % 2 == 0) {
    co_await timer.async_wait(asio::use_awaitable);
  } else {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return x;
}

TEST(observer_of_coroutines, hears_of_those_that_are_cancelled_and_of_those_that_are_abandoned) {
  recorded::attempts heard(sizeof(int));
  const std::vector<int> times{0, 60'000, 60'001, 1, 60'002};
  const auto made = recorded::map(heard, parmap::async, wait_for, times, {.retries = 1, .timeout = 5ms, .workers = 3});
  EXPECT_EQ(made.failures().size(), 3U);
  heard.expect_as(made);
  EXPECT_EQ(heard.of(1).whys.at(0).kind, failure::timed_out);
  EXPECT_GE(heard.of(2).ended->took, 5ms);
}

TYPED_TEST(observer, is_optional_and_times_are_too) {
  const auto plain = parmap::map(TypeParam::engine, [](int x) { return x; }, numbers).summary();
  EXPECT_FALSE(plain.busy);
  EXPECT_TRUE(plain.slowest.empty());
}

TYPED_TEST(observer, times_show_the_slowest_tasks_with_their_inputs) {
  const auto made = parmap::map(TypeParam::engine, [](int x) { return 2 * x; }, numbers, {.times = true});
  EXPECT_TRUE(made.ok());
  const auto all = made.summary();
  ASSERT_TRUE(all.busy);
  EXPECT_GT(*all.busy, 0);
  EXPECT_LE(*all.busy, 1);
  EXPECT_GT(all.elapsed.count(), 0);
  ASSERT_EQ(all.slowest.size(), 5U);
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_EQ(all.slowest[k].inputs, std::to_string(all.slowest[k].index));
    EXPECT_EQ(all.slowest[k].attempt, 1U);
  }
  EXPECT_TRUE(std::ranges::is_sorted(all.slowest, std::ranges::greater(), &parmap::task_time::took));
  const std::string text = to_string(all);
  EXPECT_NE(text.find("\n  workers busy "), std::string::npos) << text;
  EXPECT_NE(text.find("\n  slowest: task "), std::string::npos) << text;
}

TYPED_TEST(observer, times_do_not_count_what_decides_on_a_retry) {
  const auto f = [](parmap::context& self, int x) {
    if (x == 0 && self.attempt() == 1) throw std::runtime_error("again");
    if (x == 1) std::this_thread::sleep_for(300ms);
    return x;
  };
  const auto slow_answer = [](const failure&) {
    std::this_thread::sleep_for(900ms);
    return true;
  };
  const auto made = parmap::map(TypeParam::engine, f, std::views::iota(0, 2),
                                {.retries = 1, .retry_if = slow_answer, .times = true, .workers = 1});
  EXPECT_TRUE(made.ok());
  ASSERT_EQ(made.summary().slowest.size(), 2U);
  EXPECT_EQ(made.summary().slowest[0].index, 1U);
}

TYPED_TEST(observer, times_of_a_map_without_tasks) {
  const auto all =
      parmap::map(TypeParam::engine, [](int x) { return x; }, std::vector<int>(), {.times = true}).summary();
  EXPECT_EQ(all.tasks, 0U);
  EXPECT_TRUE(all.slowest.empty());
}

template <class Engine>
class observer_of_reductions : public ::testing::Test {};
using reducing = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(observer_of_reductions, reducing, engines::names);

TYPED_TEST(observer_of_reductions, times) {
  const auto sum =
      parmap::map_reduce(TypeParam::engine, [](int x) { return x; }, std::plus{}, 0, numbers, {.times = true});
  EXPECT_EQ(sum.value(), 300 * 299 / 2);
  EXPECT_EQ(sum.summary().slowest.size(), 5U);
  EXPECT_TRUE(sum.summary().busy);
}

TYPED_TEST(observer_of_reductions, times_of_a_fold_whose_steps_fail) {
  const auto step = [](parmap::context& self, int& sum, int x) {
    if (x % 50 == 7 && self.attempt() == 1) throw std::runtime_error("once");
    sum += x;
  };
  const auto sum = parmap::fold(TypeParam::engine, 0, step, [](int& a, int b) { a += b; }, numbers,
                                {.retries = 1, .times = true, .workers = 2});
  EXPECT_EQ(sum.value(), 300 * 299 / 2);
  EXPECT_EQ(sum.summary().slowest.size(), 5U);
}

TYPED_TEST(observer_of_reductions, times_of_a_stream) {
  std::istringstream words("a b c d e f g");
  auto all = parmap::stream(TypeParam::engine, [](const std::string& word) { return word + word; },
                            std::views::istream<std::string>(words), {.times = true, .workers = 2});
  for (auto&& [index, outcome] : all) EXPECT_EQ(outcome.value().size(), 2U);
  const auto summary = all.summary();
  ASSERT_EQ(summary.slowest.size(), 5U);
  EXPECT_TRUE(summary.busy);
  for (const parmap::task_time& each : summary.slowest)
    EXPECT_EQ(each.inputs, '"' + std::string(1, static_cast<char>('a' + each.index)) + '"');
}

template <class Engine>
class observer_of_streams : public ::testing::Test {};
TYPED_TEST_SUITE(observer_of_streams, limiting, engines::names);

TYPED_TEST(observer_of_streams, times_of_failed_tasks) {
  const auto f = [](parmap::context& self, int x) {
    if (x == 1) throw std::runtime_error("one");
    while (x == 2 && !self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
    return x;
  };
  auto all =
      parmap::stream(TypeParam::engine, f, std::views::iota(0, 4), {.timeout = 50ms, .times = true, .workers = 2});
  for (auto&& each : all) EXPECT_EQ(each.outcome.has_value(), each.index % 3 == 0);
  const auto summary = all.summary();
  ASSERT_EQ(summary.slowest.size(), 4U);
  EXPECT_EQ(summary.slowest[0].index, 2U);
  EXPECT_EQ(summary.slowest[0].inputs, "2");
  EXPECT_GE(summary.slowest[0].took, 50ms);
  for (const parmap::task_time& each : summary.slowest) EXPECT_GT(each.took.count(), 0) << each.index;
}

}  // namespace
