// SPDX-License-Identifier: MIT
// options::deadline on every engine: what is done stays, and the map ends though its tasks would take hours.
#include "coroutines.hpp"
#include "engines.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

constexpr const char* reason = "options.deadline was reached";

int slow(int i) {
  std::this_thread::sleep_for(5ms);
  return i;
}

// Every task has its value or is stopped for this reason. Returns the number of those that were stopped.
std::uint64_t check_stopped(const parmap::results<int>& all) {
  std::uint64_t stopped = 0;
  for (std::uint64_t i = 0; i < all.size(); ++i)
    if (const int* value = all.get_if(i)) EXPECT_EQ(*value, static_cast<int>(i));
    else ++stopped;
  EXPECT_EQ(all.failures().size(), stopped);
  for (const failure& why : all.failures()) {
    EXPECT_EQ(why.kind, failure::stopped);
    EXPECT_EQ(why.message, reason);
    if (why.kind != failure::stopped) break;  // not thousands of them
  }
  return stopped;
}

template <class Engine>
class deadline : public ::testing::Test {};
TYPED_TEST_SUITE(deadline, engines::all, engines::names);

TYPED_TEST(deadline, ends_a_map_of_hours) {
  const auto all =
      parmap::map(TypeParam::engine, slow, std::views::iota(0, 100'000), {.deadline = 300ms, .workers = 2});
  const std::uint64_t stopped = check_stopped(all);
  EXPECT_GT(stopped, 0U);
  EXPECT_LT(stopped, 100'000U);
  EXPECT_EQ(all.summary().count(failure::stopped), stopped);
}

TYPED_TEST(deadline, far_away_changes_nothing) {
  for (const std::chrono::nanoseconds far : {std::chrono::nanoseconds(1h), std::chrono::nanoseconds::max()})
    EXPECT_TRUE(parmap::map(TypeParam::engine, slow, std::views::iota(0, 4), {.deadline = far, .workers = 2}).ok());
}

TYPED_TEST(deadline, must_be_positive) {
  for (const auto bad : {0ns, -1ns})
    EXPECT_THROW(static_cast<void>(parmap::map(TypeParam::engine, slow, std::views::iota(0, 4), {.deadline = bad})),
                 std::invalid_argument);
}

TYPED_TEST(deadline, a_stop_request_before_it_keeps_its_reason) {
  std::stop_source source;
  source.request_stop();
  const auto all = parmap::map(TypeParam::engine, slow, std::views::iota(0, 100'000),
                               {.deadline = 1h, .stop = source.get_token(), .workers = 2});
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.failures().front().message, "a stop was requested");
}

TEST(deadline_of_multi, kills_after_the_grace_and_nobody_is_to_blame) {
  const auto f = [](int i) {
    if (i % 2 == 1)
      for (;;) ::pause();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), {.deadline = 500ms, .retries = 3, .workers = 2});
  EXPECT_GE(check_stopped(all), 50U);
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.failures().front().index, 1U);
  EXPECT_EQ(all.failures().front().attempts, 1U);
}

TEST(deadline_of_multi, a_crash_in_the_grace_is_a_crash) {
  const auto f = [](int i) -> int {
    if (i == 1) ::_exit(3);
    for (;;) ::pause();
  };
  const auto all = parmap::map(f, std::views::iota(0, 2), {.deadline = 500ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::stopped);
  EXPECT_EQ(all.failures()[1].kind, failure::exited);
}

int until_asked(parmap::context& self, int i) {
  while (!self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
  return i;
}

template <class Engine>
class deadline_in_this_process : public ::testing::Test {};
using in_threads = ::testing::Types<engines::serial, engines::threads>;
TYPED_TEST_SUITE(deadline_in_this_process, in_threads, engines::names);

TYPED_TEST(deadline_in_this_process, asks_tasks_to_stop_after_the_grace) {
  const auto all =
      parmap::map(TypeParam::engine, until_asked, std::views::iota(0, 100), {.deadline = 200ms, .workers = 2});
  EXPECT_GE(check_stopped(all), 98U);
  EXPECT_NE(all.get_if(0), nullptr);
}

TYPED_TEST(deadline_in_this_process, a_stop_request_still_reaches_the_tasks) {
  std::stop_source source;
  const auto f = [&](parmap::context& self, int i) {
    if (i == 0) source.request_stop();
    return until_asked(self, i);
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 100),
                               {.deadline = 1h, .stop = source.get_token(), .workers = 2});
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.failures().back().message, "a stop was requested");
}

TEST(deadline_of_threads, beside_a_timeout) {
  const auto all = parmap::map(parmap::threads, until_asked, std::views::iota(0, 100'000),
                               {.deadline = 300ms, .timeout = 10ms, .workers = 2});
  const parmap::map_summary summary = all.summary();
  EXPECT_GT(summary.count(failure::timed_out), 0U);
  EXPECT_GT(summary.count(failure::stopped), 0U);
  EXPECT_LE(summary.completed, 2U);  // those that the end of the grace asked to stop
  EXPECT_EQ(summary.count(failure::timed_out) + summary.count(failure::stopped) + summary.completed, 100'000U);
}

asio::awaitable<int> waits(int i) {
  if (i % 2 == 1) co_await coroutines::wait(1h);
  co_return i;
}

TEST(deadline_of_async, cancels_after_the_grace) {
  const auto all = parmap::map(parmap::async, waits, std::views::iota(0, 100), {.deadline = 200ms, .retries = 3});
  EXPECT_EQ(check_stopped(all), 50U);
  EXPECT_EQ(all.failures().front().attempts, 1U);
}

TEST(deadline_of_async, abandons_what_ignores_the_cancellation) {
  const auto f = [](int i) -> asio::awaitable<int> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (i == 0) co_await coroutines::wait(1h);
    co_return i;
  };
  EXPECT_EQ(check_stopped(parmap::map(parmap::async, f, std::views::iota(0, 3), {.deadline = 200ms})), 1U);
}

}  // namespace
