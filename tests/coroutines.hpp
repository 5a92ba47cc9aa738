// SPDX-License-Identifier: MIT
// What tests of the engine async wait for, and how they count the coroutines that are there.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>

namespace coroutines {

// Ends early, by an exception, if it is cancelled.
inline asio::awaitable<void> wait(std::chrono::nanoseconds long_) {
  asio::steady_timer timer(co_await asio::this_coro::executor, long_);
  co_await timer.async_wait(asio::use_awaitable);
}

// Those who are there at the same time.
struct count {
  int now{};
  int most{};
};
// Lies in the frame of one who is.
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
