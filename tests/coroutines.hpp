// SPDX-License-Identifier: MIT
// Helpers for tests of the engine async: a wait, and a count of the coroutines that exist.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>

namespace coroutines {

// Throws early if it is cancelled.
inline asio::awaitable<void> wait(std::chrono::nanoseconds long_) {
  asio::steady_timer timer(co_await asio::this_coro::executor, long_);
  co_await timer.async_wait(asio::use_awaitable);
}

// How many coroutines exist now, and how many did at most.
struct count {
  int now{};
  int most{};
};
// Counts the coroutine in whose frame it lies.
class counted {
 public:
  explicit counted(count& who) : who_(who) { who_.most = std::max(who_.most, ++who_.now); }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() { --who_.now; }

 private:
  count& who_;
};

}  // namespace coroutines
