// SPDX-License-Identifier: MIT
// deadline_watch: halts a map in this process at its deadline, and requests its tasks to stop at the end of the grace.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/system/signal_mask.hpp>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// One thread per map with a deadline.
class deadline_watch {
 public:
  // At the deadline it calls begin_no_more, in its own thread. A request of `stop` reaches the tasks as ever.
  deadline_watch(const deadline& when, const std::stop_token& stop, std::function<void()> begin_no_more)
      : when_(when),
        begin_no_more_(std::move(begin_no_more)),
        forward_(stop, [this] { tasks_.request_stop(); }),
        thread_(start()) {}

  // For the tasks.
  [[nodiscard]] std::stop_token token() const noexcept { return tasks_.get_token(); }

 private:
  // The thread blocks signals, which are for the caller's threads.
  std::jthread start() {
    const signals_blocked meanwhile;
    return std::jthread([this](const std::stop_token& ended) { watch(ended); });
  }
  void watch(const std::stop_token& ended) {
    std::unique_lock lock(mutex_);
    const auto passed = [&](deadline::clock::time_point moment) {
      wake_.wait_until(lock, ended, moment, [] { return false; });
      return !ended.stop_requested();
    };
    if (!passed(when_.begin_no_more())) return;
    begin_no_more_();
    if (passed(when_.end_all())) tasks_.request_stop();
  }

  deadline when_;
  std::function<void()> begin_no_more_;
  std::stop_source tasks_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::stop_callback<std::function<void()>> forward_;
  std::jthread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
