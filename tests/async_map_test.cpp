// SPDX-License-Identifier: MIT
// async_map: the engine async inside a running io_context, and the refusal of the blocking map there.
#include "coroutines.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using asio::awaitable;
using asio::use_awaitable;
using coroutines::count;
using coroutines::counted;
using coroutines::wait;

// Runs a coroutine in its own io_context until no work is left.
template <class Coroutine>
void run(Coroutine what) {
  asio::io_context context;
  asio::co_spawn(context, std::move(what), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
}

// (g++ 12 cannot have a braced list or an array in a coroutine, so the axes are defined outside.)
TEST(async_map, gives_what_map_gives) {
  const std::vector a{1, 2, 3};
  const std::vector<std::string> b{"x", "y"};
  const std::vector<std::string> none;
  const int plain[] = {1, 2};
  const auto f = [](int x, const std::string& y) -> awaitable<std::string> {
    co_await asio::post(use_awaitable);
    if (x == 2) throw std::runtime_error("two");
    co_return y + std::to_string(x);
  };
  const auto four = [](int p, int q, int r, int s) -> awaitable<int> { co_return ((p * 10 + q) * 10 + r) * 10 + s; };
  run([&]() -> awaitable<void> {
    const auto all = co_await parmap::async_map(f, a, b, {.seed = 5, .workers = 3});
    EXPECT_EQ(all.value_or("-"), std::vector<std::string>({"x1", "y1", "-", "-", "x3", "y3"}));
    EXPECT_EQ(all.failures().size(), 2U);
    EXPECT_THROW(all.failures()[0].rethrow(), std::runtime_error);
    EXPECT_EQ(all.seed(), 5U);
    EXPECT_EQ((co_await parmap::async_map(four, plain, plain, plain, plain)).value().at(5), 1212);
    EXPECT_EQ((co_await parmap::async_map(four, parmap::product(a, a), parmap::zip(a, a))).value().at(3), 1211);
    EXPECT_TRUE((co_await parmap::async_map(f, a, none)).ok());
  });
}

TEST(async_map, keeps_its_function_and_axes) {
  run([]() -> awaitable<void> {
    auto axis = std::make_unique<std::vector<std::string>>(1, "a long string, not a short one");
    auto f = [held = std::make_shared<int>(1)](const std::string& text) -> awaitable<std::size_t> {
      co_await asio::post(use_awaitable);
      co_return text.size() + static_cast<std::size_t>(*held);
    };
    auto later = parmap::async_map(f, *axis);
    axis.reset();
    EXPECT_EQ((co_await std::move(later)).value().at(0), 31U);
  });
}

TEST(async_map, says_what_it_refuses_before_it_begins) {
  const auto f = [](int x) -> awaitable<int> { co_return x; };
  EXPECT_THROW(static_cast<void>(parmap::async_map(f, std::vector{1}, {.memory_limit = 1})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parmap::async_map(f, std::vector{1}, {.timeout = 0s})), std::invalid_argument);
}

TEST(async_map, the_blocking_map_says_that_it_must_not_block_here) {
  const auto f = [](int x) -> awaitable<int> { co_return x; };
  const std::vector one{1};
  const auto blocking = [&]() -> awaitable<void> {
    try {
      static_cast<void>(parmap::map(parmap::async, f, one));
      ADD_FAILURE() << "it blocked";
    } catch (const std::logic_error& error) {
      EXPECT_NE(std::string(error.what()).find("co_await parmap::async_map"), std::string::npos) << error.what();
    }
    co_return;
  };
  run(blocking);
  asio::thread_pool pool(1);
  asio::co_spawn(pool, blocking, asio::use_future).get();
  // In a task it throws too, and only that task fails.
  const auto inner = [&](int) -> awaitable<void> {
    static_cast<void>(parmap::map(parmap::async, f, one));
    co_return;
  };
  const auto all = parmap::map(parmap::async, inner, one);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_THROW(all.failures()[0].rethrow(), std::logic_error);
}

TEST(async_map, a_hundred_maps_of_a_hundred_tasks) {
  const auto row = [](int i) -> awaitable<int> {
    const auto cell = [](int k, int j) -> awaitable<int> {
      co_await asio::post(use_awaitable);
      co_return k* j;
    };
    const auto all = (co_await parmap::async_map(cell, std::views::single(i), std::views::iota(0, 100))).value();
    co_return std::accumulate(all.begin(), all.end(), 0);
  };
  const auto all = parmap::map(parmap::async, row, std::views::iota(0, 100), {.workers = 100});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(all[i], static_cast<int>(i) * 4950);
}

TEST(async_map, ten_thousand_are_cancelled_with_their_caller) {
  asio::io_context context;
  asio::cancellation_signal cancel;
  count there;
  const auto outer = [&]() -> awaitable<void> {
    const auto f = [&](int) -> awaitable<void> {
      const counted here(there);
      if (there.now == 10'000) asio::post(context, [&cancel] { cancel.emit(asio::cancellation_type::terminal); });
      co_await wait(24h);
    };
    try {
      static_cast<void>(co_await parmap::async_map(f, std::views::iota(0, 20'000), {.workers = 10'000}));
      ADD_FAILURE() << "it was not cancelled";
    } catch (const asio::system_error& error) {
      EXPECT_EQ(error.code(), asio::error::operation_aborted);
      EXPECT_EQ(there.now, 0);
    }
  };
  asio::co_spawn(context, outer, asio::bind_cancellation_slot(cancel.slot(), [](const std::exception_ptr&) {}));
  context.run();
  EXPECT_EQ(there.now, 0);
}

TEST(async_map, a_limit_outside_ends_the_map_inside) {
  count there;
  const auto outer = [&there](int) -> awaitable<void> {
    const auto inner = [&there](int x) -> awaitable<void> {
      const counted here(there);
      if (x % 2 == 1) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await wait(24h);
    };
    static_cast<void>(co_await parmap::async_map(inner, std::views::iota(0, 10)));
  };
  const auto all = parmap::map(parmap::async, outer, std::views::iota(0, 10), {.timeout = 20ms});
  EXPECT_EQ(there.now, 0);
  ASSERT_EQ(all.failures().size(), 10U);
  for (const parmap::failure& why : all.failures()) EXPECT_EQ(why.kind, parmap::failure::timed_out);
}

TEST(async_map, what_was_left_behind_touches_nothing_later) {
  asio::io_context context;
  count there;
  bool passed = false;
  const auto outer = [&]() -> awaitable<void> {
    const auto local = std::make_unique<int>(0);
    const auto f = [&](int) -> awaitable<void> {
      const counted here(there);
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await wait(200ms);
      ++*local;
    };
    const auto all = co_await parmap::async_map(f, std::views::iota(0, 10), {.timeout = 20ms});
    EXPECT_EQ(all.failures().size(), 10U);
    EXPECT_EQ(*local, 0);
    passed = true;
  };
  asio::co_spawn(context, outer, [](const std::exception_ptr&) {});
  context.run();  // runs until the waits end; their completions are dropped
  EXPECT_TRUE(passed);
  EXPECT_EQ(there.now, 0);
}

TEST(async_map, one_task_at_a_time_where_many_threads_run_the_context) {
  asio::thread_pool pool(4);
  std::uint64_t sum = 0;
  const auto f = [&sum](int x) -> awaitable<int> {
    co_await asio::post(use_awaitable);
    sum += static_cast<std::uint64_t>(x);
    co_await wait(1ms);
    ++sum;
    co_return x;
  };
  const auto outer = [&f]() -> awaitable<bool> {
    co_return (co_await parmap::async_map(f, std::views::iota(0, 1000), {.timeout = 1h, .workers = 100})).ok();
  };
  EXPECT_TRUE(asio::co_spawn(pool, outer, asio::use_future).get());
  pool.join();
  EXPECT_EQ(sum, 499'500U + 1000U);
}

TEST(async_map, a_context_that_ends_takes_its_maps_with_it) {
  count there;
  {
    asio::io_context context;
    const auto outer = [&]() -> awaitable<void> {
      const auto f = [&](int x) -> awaitable<void> {
        const counted here(there);
        if (x == 9) context.stop();
        co_await wait(24h);
      };
      static_cast<void>(co_await parmap::async_map(f, std::views::iota(0, 10), {.timeout = 1h}));
      ADD_FAILURE() << "the map has ended";
    };
    asio::co_spawn(context, outer, [](const std::exception_ptr&) {});
    context.run();
    EXPECT_EQ(there.now, 10);
  }
  EXPECT_EQ(there.now, 0);
}

TEST(async_map, a_reporter_that_throws) {
  run([]() -> awaitable<void> {
    count there;
    const auto f = [&there](int) -> awaitable<void> {
      const counted here(there);
      co_await wait(24h);
    };
    const auto bad = [](const parmap::progress&) { throw std::domain_error("reporter"); };
    try {
      static_cast<void>(co_await parmap::async_map(f, std::views::iota(0, 100), {.reporter = bad}));
      ADD_FAILURE() << "it did not pass";
    } catch (const std::domain_error&) {
      EXPECT_EQ(there.now, 0);
    }
  });
}

}  // namespace
