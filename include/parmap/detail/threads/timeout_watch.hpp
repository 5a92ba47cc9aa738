// SPDX-License-Identifier: MIT
// timeout_watch: requests tasks in this process to stop when their time limit is reached.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/signal_mask.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// One thread per map with a timeout, which sleeps until the earliest deadline, but looks up now and then: if it wakes
// much too late, the whole process was stopped meanwhile (Ctrl-Z and fg), and that time does not count. All limits of a
// map are equal, so a task that begins during the sleep never has an earlier deadline.
class timeout_watch {
 public:
  using clock = std::chrono::steady_clock;

  timeout_watch(std::chrono::nanoseconds limit, unsigned workers, const std::stop_token& all)
      : limit_(limit),
        running_(workers),
        forward_(all, [this] { stop_everything(); }),
        thread_(start()) {}

  // Call when a worker begins a task. Returns the token that will request it to stop.
  std::stop_token begin(unsigned worker) {
    std::stop_source source;
    std::stop_token token = source.get_token();
    const std::scoped_lock lock(mutex_);
    if (stopped_) source.request_stop();
    running_[worker] = {deadline(clock::now()), std::move(source), true};
    if (std::exchange(asleep_, false)) wake_.notify_one();
    return token;
  }
  // Call when the worker's task has ended. Returns whether it was too late.
  bool end(unsigned worker) {
    const auto now = clock::now();
    const std::scoped_lock lock(mutex_);
    const task ended = std::exchange(running_[worker], {});
    // If the watch should have woken long ago, this process has just been continued, and the watch will see it, too.
    const bool stood_still = wakes_ < now - stands_still;
    return ended.late || (ended.until <= now && !stood_still);
  }

 private:
  static constexpr std::chrono::milliseconds glance{250};
  static constexpr std::chrono::milliseconds stands_still{500};

  // A limit beyond the range of the clock is no limit.
  [[nodiscard]] clock::time_point deadline(clock::time_point now) const noexcept {
    return limit_ < clock::time_point::max() - now ? now + limit_ : clock::time_point::max();
  }

  struct task {
    clock::time_point until{clock::time_point::max()};
    std::stop_source source{std::nostopstate};
    bool unasked{};
    bool late{};
  };

  // The thread blocks signals, which are for the caller's threads. The tasks' stop callbacks run in it, so they get
  // none either.
  std::jthread start() {
    const signals_blocked meanwhile;
    return std::jthread([this](const std::stop_token& ended) { watch(ended); });
  }

  void watch(const std::stop_token& ended) {
    std::unique_lock lock(mutex_);
    while (!ended.stop_requested()) {
      const auto now = clock::now();
      auto next = now + glance;
      bool any = false;
      for (task& each : running_) {
        each.late = each.late || each.until <= now;
        if (!each.unasked || each.late) continue;
        any = any || each.until != clock::time_point::max();
        next = std::min(next, each.until);
      }
      if (ask(lock, [](const task& each) { return each.late; })) continue;  // other tasks may have begun meanwhile
      if (!any) {
        asleep_ = true;
        wake_.wait(lock, ended, [this] { return !asleep_; });
      } else {
        wakes_ = next;
        wake_.wait_until(lock, ended, next, [] { return false; });
        wakes_ = clock::time_point::max();
        if (const auto overslept = clock::now() - next; overslept > stands_still) forgive(overslept);
      }
    }
  }

  void forgive(clock::duration stopped) noexcept {
    for (task& each : running_)
      if (each.until < clock::time_point::max() - stopped) each.until += stopped;
  }

  void stop_everything() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    ask(lock, [](const task&) { return true; });
  }

  // Requests the chosen tasks to stop; false if there were none. Unlocks during each request, which runs the task's own
  // stop callbacks.
  template <class Whom>
  bool ask(std::unique_lock<std::mutex>& lock, Whom&& whom) {
    const auto next = [&] {
      return std::ranges::find_if(running_, [&](const task& each) { return each.unasked && whom(each); });
    };
    bool any = false;
    for (auto late = next(); late != running_.end(); late = next(), any = true) {
      late->unasked = false;
      std::stop_source source = late->source;
      lock.unlock();
      source.request_stop();
      lock.lock();
    }
    return any;
  }

  std::chrono::nanoseconds limit_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<task> running_;
  clock::time_point wakes_{clock::time_point::max()};  // when the watch means to wake; max while it is awake
  bool asleep_{};
  bool stopped_{};
  std::stop_callback<std::function<void()>> forward_;
  std::jthread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
