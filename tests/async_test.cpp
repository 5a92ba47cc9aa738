// SPDX-License-Identifier: MIT
// The engine async: tasks in flight, limits, exceptions, captures. The conformance tests check what all engines
// promise.
#include "coroutines.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using asio::awaitable;
using asio::use_awaitable;
using coroutines::count;
using coroutines::counted;
using coroutines::wait;

awaitable<void> step_aside() { co_await asio::post(use_awaitable); }

TEST(async, results_are_in_input_order_whatever_ends_first) {
  const auto f = [](int x) -> awaitable<int> {
    co_await wait(std::chrono::milliseconds(20 - x));
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 20)).value();
  EXPECT_TRUE(std::ranges::equal(all, std::views::iota(0, 20)));
}

TEST(async, waits_pass_together) {
  // Each task waits until all have begun.
  int begun = 0;
  const auto f = [&begun](int) -> awaitable<void> {
    ++begun;
    while (begun < 1000) co_await step_aside();
  };
  EXPECT_TRUE(parmap::map(parmap::async, f, std::views::iota(0, 1000), {.workers = 1000}).ok());
}

TEST(async, no_more_in_flight_than_workers) {
  for (const unsigned workers : {0U, 1U, 2U, 63U, 100U, 5000U}) {
    const int most = workers == 0 ? 64 : static_cast<int>(std::min(workers, 1000U));
    count there;
    // The first tasks wait until as many are in flight as are allowed.
    const auto f = [&there, most](int x) -> awaitable<int> {
      const counted here(there);
      while (there.most < most) co_await step_aside();
      for (int k = 0; k <= x % 3; ++k) co_await step_aside();
      co_return x;
    };
    EXPECT_TRUE(parmap::map(parmap::async, f, std::views::iota(0, 1000), {.workers = workers}).ok());
    EXPECT_EQ(there.most, most);
    EXPECT_EQ(there.now, 0);
  }
}

TEST(async, no_coroutine_is_there_before_its_turn) {
  count there;
  // Not a coroutine itself, so that it is called when the task's turn comes.
  const auto f = [&there](int x) {
    return [](std::unique_ptr<counted>, int y) -> awaitable<int> {
      co_await step_aside();
      co_return y;
    }(std::make_unique<counted>(there), x);
  };
  EXPECT_TRUE(parmap::map(parmap::async, f, std::views::iota(0, 100'000), {.workers = 10}).ok());
  EXPECT_LE(there.most, 10);
}

TEST(async, tasks_that_never_wait_let_others_have_their_turn) {
  bool other_has_run = false;
  std::uint64_t before = 0;
  const auto f = [&](int x) -> awaitable<void> {
    if (x == 0) {
      for (int k = 0; k < 10; ++k) co_await step_aside();
      other_has_run = true;
    } else if (!other_has_run) {
      ++before;
    }
  };
  EXPECT_TRUE(parmap::map(parmap::async, f, std::views::iota(0, 1'000'000), {.workers = 2}).ok());
  EXPECT_TRUE(other_has_run);
  EXPECT_LT(before, 500'000U);
}

TEST(async, arguments_live_as_long_as_their_task) {
  const auto texts = std::views::iota(0, 100) |
                     std::views::transform([](int x) { return std::string(100, static_cast<char>('a' + x % 26)); });
  const auto f = [](const std::string& text) -> awaitable<std::string> {
    co_await step_aside();
    co_return text;
  };
  const auto all = parmap::map(parmap::async, f, texts).value();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], texts[i]);
}

TEST(async, ten_thousand_succeed) {
  const auto f = [](parmap::context& self, int x) -> awaitable<std::uint64_t> {
    co_await wait(1ms);
    co_return self.index() + static_cast<std::uint64_t>(x);
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10'000), {.workers = 1000});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], 2 * i);
}

TEST(async, ten_thousand_throw_and_are_kept_whole) {
  struct mine {
    int which;
  };
  const auto f = [](int x) -> awaitable<int> {
    co_await step_aside();
    throw mine{x};
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10'000), {.workers = 1000});
  ASSERT_EQ(all.failures().size(), 10'000U);
  for (const parmap::failure& why : all.failures()) {
    ASSERT_EQ(why.kind, parmap::failure::threw);
    try {
      why.rethrow();
    } catch (const mine& it) {
      ASSERT_EQ(it.which, static_cast<int>(why.index));
    }
  }
}

// How the message about a late task begins. On a busy machine even a task that heeds its cancellation at once may pass
// the grace period and be left behind: async_left_behind_test.
constexpr std::string_view late = "ran past its limit of 20 ms and was cancelled";

TEST(async, ten_thousand_are_too_late) {
  count there;
  const auto f = [&there](int) -> awaitable<void> {
    const counted here(there);
    co_await wait(24h);
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10'000), {.timeout = 20ms, .workers = 2500});
  EXPECT_EQ(there.now, 0);
  ASSERT_EQ(all.failures().size(), 10'000U);
  for (const parmap::failure& why : all.failures()) {
    ASSERT_EQ(why.kind, parmap::failure::timed_out);
    ASSERT_TRUE(why.message.starts_with(late)) << why.message;
    ASSERT_EQ(why.attempts, 1U);
  }
}

TEST(async, ten_thousand_of_all_kinds) {
  const auto f = [](int x) -> awaitable<int> {
    switch (x % 4) {
      case 0: co_return x;
      case 1: co_await step_aside(); throw std::runtime_error("mixed");
      case 2: co_await wait(24h); co_return -1;
      default: co_await wait(1ms); co_return x;
    }
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10'000), {.timeout = 3s, .workers = 5000});
  ASSERT_EQ(all.failures().size(), 5000U);
  for (const parmap::failure& why : all.failures())
    ASSERT_EQ(why.kind, why.index % 4 == 1 ? parmap::failure::threw : parmap::failure::timed_out);
  for (std::uint64_t i = 0; i < all.size(); i += 4) {
    ASSERT_EQ(all[i], static_cast<int>(i));
    ASSERT_EQ(all[i + 3], static_cast<int>(i) + 3);
  }
}

TEST(async, a_late_task_is_tried_again) {
  const auto f = [](parmap::context& self, int x) -> awaitable<unsigned> {
    if (x == 3 && self.attempt() < 3) co_await wait(24h);
    co_return self.attempt();
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10), {.retries = 2, .timeout = 500ms});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[3], 3U);
  EXPECT_EQ(all[4], 1U);
}

TEST(async, a_late_task_counts_as_late_however_it_ends) {
  const auto f = [](int x) -> awaitable<int> {
    try {
      co_await wait(24h);
    } catch (const asio::system_error&) {
      if (x == 1) throw std::domain_error("something else");
    }
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 2), {.timeout = 20ms});
  ASSERT_EQ(all.failures().size(), 2U);
  for (const parmap::failure& why : all.failures()) {
    EXPECT_EQ(why.kind, parmap::failure::timed_out);
    EXPECT_TRUE(why.message.starts_with(late)) << why.message;
  }
}

TEST(async, what_one_task_sets_is_not_the_next_ones) {
  const auto f = [](int x) -> awaitable<void> {
    if (x == 0) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await asio::this_coro::throw_if_cancelled(false);
      co_return;
    }
    co_await wait(24h);
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 2), {.timeout = 20ms, .workers = 1});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_TRUE(all.failures()[0].message.starts_with(late)) << all.failures()[0];
}

TEST(async, workers_have_numbers_of_their_own) {
  std::vector<int> busy(8);
  const auto f = [&busy](parmap::context& self, int) -> awaitable<void> {
    if (++busy.at(self.worker()) > 1) throw std::logic_error("two at once");
    co_await step_aside();
    --busy.at(self.worker());
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 1000), {.workers = 8});
  EXPECT_TRUE(all.ok()) << all.failures()[0];
}

TEST(async, a_stop_lets_those_in_flight_end) {
  std::stop_source source;
  const auto f = [&source](parmap::context& self, int x) -> awaitable<bool> {
    if (x == 3) source.request_stop();
    while (!self.stop_token().stop_requested()) co_await step_aside();
    co_return true;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 1000), {.stop = source.get_token(), .workers = 4});
  EXPECT_EQ(all.failures().size(), 996U);
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(all[i]);
}

TEST(async, a_reporter_that_throws_ends_those_in_flight) {
  count there;
  const auto f = [&there](int) -> awaitable<std::string> {
    const counted here(there);
    co_await wait(24h);
    co_return std::string();
  };
  const auto bad = [](const parmap::progress&) { throw std::domain_error("reporter"); };
  for (const bool limited : {false, true}) {
    parmap::options chosen{.reporter = bad};
    if (limited) chosen.timeout = 1h;
    EXPECT_THROW(static_cast<void>(parmap::map(parmap::async, f, std::views::iota(0, 1000), chosen)),
                 std::domain_error);
    EXPECT_EQ(there.now, 0);
  }
}

TEST(async, refuses_what_it_cannot_do) {
  const auto f = [](int x) -> awaitable<int> { co_return x; };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::async, f, std::vector{1}, {.memory_limit = 1000})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::async, f, std::vector{1}, {.timeout = 0s})),
               std::invalid_argument);
}

}  // namespace
