// SPDX-License-Identifier: MIT
// The engine async with tasks that do not end when they should: what is left behind never touches what has been
// destroyed.
#include "coroutines.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using asio::awaitable;
using asio::use_awaitable;
using coroutines::count;
using coroutines::counted;
using coroutines::wait;

// Ignores cancellation.
awaitable<void> wait_stubbornly(std::chrono::nanoseconds long_) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await wait(long_);
}

// A library that does not know cancellation and completes its operations when it likes.
class foreign {
 public:
  awaitable<void> operation() {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [this](auto handler) { waiting_.push_back(std::make_unique<held<decltype(handler)>>(std::move(handler))); },
        use_awaitable);
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  void complete_all() {
    for (auto& each : std::exchange(waiting_, {})) each->complete();
  }
  void drop_all() { waiting_.clear(); }

 private:
  struct any {
    any() = default;
    any(const any&) = delete;
    any& operator=(const any&) = delete;
    virtual ~any() = default;
    virtual void complete() = 0;
  };
  template <class Handler>
  struct held final : any {
    explicit held(Handler it) : handler(std::move(it)) {}
    void complete() override {
      const auto where = asio::get_associated_executor(handler);
      asio::post(where, std::move(handler));
    }
    Handler handler;
  };

  std::vector<std::unique_ptr<any>> waiting_;
};

constexpr auto left_behind = "ran past its limit of 20 ms and was cancelled; it ignored that and was abandoned";

TEST(async_left_behind, a_task_that_does_not_heed_its_cancellation) {
  count there;
  const auto f = [&there](int x) -> awaitable<int> {
    const counted here(there);
    if (x % 2 == 1) co_await wait_stubbornly(24h);
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 20), {.timeout = 500ms, .workers = 12});
  EXPECT_EQ(there.now, 0);  // it was destroyed before map returned
  ASSERT_EQ(all.failures().size(), 10U);
  for (const parmap::failure& why : all.failures()) {
    EXPECT_EQ(why.kind, parmap::failure::timed_out);
    EXPECT_EQ(why.message, "ran past its limit of 500 ms and was cancelled; it ignored that and was abandoned");
  }
  for (std::uint64_t i = 0; i < 20; i += 2) EXPECT_EQ(all[i], static_cast<int>(i));
}

TEST(async_left_behind, is_tried_again_elsewhere) {
  const auto f = [](parmap::context& self, int) -> awaitable<unsigned> {
    if (self.attempt() < 3) co_await wait_stubbornly(24h);
    co_return self.attempt();
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 3), {.retries = 2, .timeout = 20ms, .workers = 1});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(all[i], 3U);
}

TEST(async_left_behind, one_that_swallows_its_cancellation_and_goes_on) {
  int rounds = 0;
  const auto f = [&rounds](int) -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    for (;;) {
      try {
        co_await wait(rounds == 0 ? std::chrono::milliseconds(24h) : 1ms);
      } catch (const asio::system_error&) {
        ++rounds;
      }
    }
  };
  const auto all = parmap::map(parmap::async, f, std::vector{1}, {.timeout = 20ms});
  EXPECT_EQ(rounds, 1);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].message, left_behind);
}

// Runs a map whose tasks heed their cancellation. Up to ten tries, because a busy machine may stop this process for
// longer than the grace period.
template <class F>
void expect_heeded(const F& f, int n) {
  std::vector<std::string> said;
  const std::vector<std::string> heeded(static_cast<std::size_t>(n), "ran past its limit of 20 ms and was cancelled");
  for (int tries = 0; tries < 10 && said != heeded; ++tries) {
    said.clear();
    const auto all = parmap::map(parmap::async, f, std::views::iota(0, n), {.timeout = 20ms});
    for (const parmap::failure& why : all.failures()) said.push_back(why.message);
  }
  EXPECT_EQ(said, heeded);
}

TEST(async_left_behind, one_that_needs_a_little_to_end_is_not) {
  bool cleaned = false;
  const auto f = [&cleaned](int) -> awaitable<void> {
    bool late = false;
    try {
      co_await wait(24h);
    } catch (const asio::system_error&) {
      late = true;
    }
    co_await asio::this_coro::reset_cancellation_state();
    co_await asio::post(use_awaitable);
    cleaned = late;
  };
  expect_heeded(f, 1);
  EXPECT_TRUE(cleaned);
}

// A cancellation handler may take its time: here longer than the grace period of all tasks.
TEST(async_left_behind, asking_one_for_long_takes_nothing_from_the_others) {
  const auto slow_to_be_asked = []() -> awaitable<void> {
    const auto begin = [](auto handler) {
      auto slot = asio::get_associated_cancellation_slot(handler);
      const auto held = std::make_shared<decltype(handler)>(std::move(handler));
      slot.assign([held](asio::cancellation_type) {
        const auto until = std::chrono::steady_clock::now() + 200ms;
        while (std::chrono::steady_clock::now() < until) continue;
        asio::post(asio::get_associated_executor(*held), std::move(*held));
      });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(begin, use_awaitable);
  };
  const auto f = [&](int x) { return x == 0 ? slow_to_be_asked() : wait(24h); };
  expect_heeded(f, 3);
}

// An operation that a task awaited ends after the map, when nothing waits for it any more.
TEST(async_left_behind, operations_that_complete_or_die_after_the_map) {
  for (const bool completes : {true, false}) {
    foreign library;
    count there;
    {
      const auto gone = std::make_unique<int>(0);
      const auto f = [&](int) -> awaitable<void> {
        const counted here(there);
        co_await library.operation();
        ++*gone;
      };
      const auto all = parmap::map(parmap::async, f, std::views::iota(0, 10), {.timeout = 20ms});
      ASSERT_EQ(all.failures().size(), 10U);
      EXPECT_EQ(all.failures()[9].message, left_behind);
      EXPECT_EQ(*gone, 0);
    }
    EXPECT_EQ(library.waiting(), 10U);
    EXPECT_EQ(there.now, 10);
    if (completes) library.complete_all();
    else library.drop_all();
    EXPECT_EQ(there.now, 0);
  }
}

TEST(async_left_behind, an_operation_that_completes_in_another_thread) {
  foreign library;
  std::thread other;
  const auto f = [&](int) -> awaitable<std::string> {
    const auto begun = library.operation();
    co_return std::string(100, 'x');
  };
  const auto g = [&](int x) -> awaitable<std::string> {
    if (x == 9) {
      if (other.joinable()) other.join();
      other = std::thread([&library] { library.complete_all(); });
      co_return "last";
    }
    co_await library.operation();
    co_return std::string(100, 'x');
  };
  EXPECT_TRUE(parmap::map(parmap::async, f, std::views::iota(0, 10)).ok());  // never awaited: never begun
  EXPECT_EQ(library.waiting(), 0U);
  const auto all = parmap::map(parmap::async, g, std::views::iota(0, 10));
  other.join();
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[3], std::string(100, 'x'));
}

TEST(async_left_behind, an_operation_that_drops_its_handler) {
  foreign library;
  count there;
  const auto f = [&](int x) -> awaitable<int> {
    const counted here(there);
    if (x == 1) co_await library.operation();
    if (x == 2) library.drop_all();
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 4));
  EXPECT_EQ(there.now, 0);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[0].kind, parmap::failure::threw);
  EXPECT_NE(all.failures()[0].message.find("dropped its handler"), std::string::npos);
  EXPECT_EQ(all[3], 3);
}

TEST(async_left_behind, a_handler_that_throws_fails_its_task) {
  const auto f = [](int x) -> awaitable<int> {
    if (x == 1) {
      asio::post(co_await asio::this_coro::executor, [] { throw std::domain_error("by a handler"); });
      co_await wait(24h);
    }
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 4));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[0].message, "std::domain_error: by a handler");
  EXPECT_THROW(all.failures()[0].rethrow(), std::domain_error);
}

TEST(async_left_behind, what_was_already_on_its_way_does_not_run_either) {
  bool ran = false;
  const auto f = [&ran](int) -> awaitable<void> {
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    asio::post(here, [] { throw std::domain_error("by a handler"); });
    asio::post(here, [&ran] { ran = true; });
    co_await wait(24h);
  };
  const auto next = [](int) -> awaitable<void> { co_await asio::post(use_awaitable); };
  const auto both = [&](int x) { return x == 0 ? f(x) : next(x); };
  const auto all = parmap::map(parmap::async, both, std::views::iota(0, 100), {.workers = 1});
  EXPECT_EQ(all.failures().size(), 1U);
  EXPECT_FALSE(ran);
}

// A handler outside the task's own executor cannot be traced to its task.
TEST(async_left_behind, a_handler_posted_to_the_bare_context_that_throws_ends_the_map) {
  count there;
  const auto f = [&there](int x) -> awaitable<int> {
    const counted here(there);
    if (x == 1) {
      auto& bare =
          static_cast<asio::io_context&>(asio::query(co_await asio::this_coro::executor, asio::execution::context));
      asio::post(bare, [] { throw std::domain_error("by a handler"); });
    }
    co_await wait(24h);
    co_return x;
  };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::async, f, std::views::iota(0, 4))), std::domain_error);
  EXPECT_EQ(there.now, 0);
}

// Coroutines that a task spawns outlive the task if it does not wait for them.
TEST(async_left_behind, what_a_task_has_spawned_goes_on_until_the_map_ends) {
  count there;
  int rounds = 0;
  const auto child = [](count& now, int& turns) -> awaitable<void> {
    const counted here(now);
    for (;; ++turns) co_await wait(1ms);
  };
  const auto f = [&](int x) -> awaitable<int> {
    if (x == 0)
      asio::co_spawn(co_await asio::this_coro::executor, child(there, rounds), [](const std::exception_ptr&) {});
    while (rounds < 5) co_await asio::post(use_awaitable);
    co_return x;
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 100), {.workers = 10});
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(there.now, 0);
  EXPECT_GE(rounds, 5);
}

}  // namespace
