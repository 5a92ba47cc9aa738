// SPDX-License-Identifier: MIT
// postponed_retries: failed tasks of a map in this process that wait for another attempt.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/due_queue.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Used by all threads of a map.
class postponed_retries {
 public:
  using clock = std::chrono::steady_clock;

  struct task {
    clock::time_point due;
    std::uint64_t index;
    unsigned attempts;  // that it has used up
  };

  explicit postponed_retries(const options& chosen) : options_(chosen) {}

  // False if the failed task is not to be tried again. Calls options::retry_if, in one thread at a time. After what
  // that has thrown no task is tried again. Calls before() before the task can be taken.
  template <class Before>
  bool add(const failure& why, const Before& before) {
    if (why.attempts > options_.retries) return false;
    const std::scoped_lock lock(mutex_);
    if (error_) return false;
    try {
      if (options_.retry_if && !options_.retry_if(why)) return false;
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
    const auto wait = retry_wait(options_.retry_delay, *options_.seed, why.index, why.attempts);
    before();
    waiting_.add({clock::now() + wait, why.index, why.attempts});
    changed_.notify_all();
    return true;
  }
  // Takes a task that is due; none if there is none now.
  [[nodiscard]] std::optional<task> take_due() {
    const std::scoped_lock lock(mutex_);
    if (!waiting_.is_due()) return {};
    return waiting_.take_first();
  }
  // Takes any task; none if there is none.
  [[nodiscard]] std::optional<task> take() {
    const std::scoped_lock lock(mutex_);
    if (waiting_.empty()) return {};
    return waiting_.take_first();
  }
  // Waits until a task may be due, but not for long, as the map may be halted meanwhile. False if no task is left.
  bool wait() {
    constexpr std::chrono::milliseconds glance{20};
    std::unique_lock lock(mutex_);
    if (waiting_.empty()) return false;
    const auto until = std::min(waiting_.first().due, clock::now() + glance);
    changed_.wait_until(lock, until);
    return true;
  }
  [[nodiscard]] bool empty() {
    const std::scoped_lock lock(mutex_);
    return waiting_.empty();
  }
  // When the first task is due; none if there is none.
  [[nodiscard]] std::optional<clock::time_point> next_due() {
    const std::scoped_lock lock(mutex_);
    if (waiting_.empty()) return {};
    return waiting_.first().due;
  }
  // What options::retry_if has thrown.
  [[nodiscard]] std::exception_ptr error() {
    const std::scoped_lock lock(mutex_);
    return error_;
  }

 private:
  const options& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  due_queue<task> waiting_;
  std::exception_ptr error_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
