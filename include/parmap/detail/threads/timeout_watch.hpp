// SPDX-License-Identifier: MIT
// Asks tasks that run in this process to stop when their time is over.
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

// One thread for a map with a timeout. It sleeps until the earliest limit; as all limits of a map are equally long, a
// task that begins later never ends that sleep too late.
class timeout_watch {
 public:
  using clock = std::chrono::steady_clock;

  timeout_watch(std::chrono::nanoseconds limit, unsigned workers, const std::stop_token& all)
      : limit_(limit),
        running_(workers),
        forward_(all, [this] { stop_everything(); }),
        thread_(start()) {}

  // The worker begins a task; the token that will ask it to stop.
  std::stop_token begin(unsigned worker) {
    std::stop_source source;
    std::stop_token token = source.get_token();
    const std::scoped_lock lock(mutex_);
    if (stopped_) source.request_stop();
    running_[worker] = {deadline(clock::now()), std::move(source), true};
    if (std::exchange(asleep_, false)) wake_.notify_one();
    return token;
  }
  // The worker's task has ended; whether it was too late.
  bool end(unsigned worker) {
    const auto now = clock::now();
    const std::scoped_lock lock(mutex_);
    const task ended = std::exchange(running_[worker], {});
    return ended.until <= now;
  }

 private:
  // A limit of hundreds of years is none.
  [[nodiscard]] clock::time_point deadline(clock::time_point now) const noexcept {
    return limit_ < clock::time_point::max() - now ? now + limit_ : clock::time_point::max();
  }

  struct task {
    clock::time_point until{clock::time_point::max()};
    std::stop_source source{std::nostopstate};
    bool unasked{};
  };

  // It takes no signals: those are for the caller's threads. A task's stop callbacks run in it without them, too.
  std::jthread start() {
    const signals_blocked meanwhile;
    return std::jthread([this](const std::stop_token& ended) { watch(ended); });
  }

  void watch(const std::stop_token& ended) {
    std::unique_lock lock(mutex_);
    while (!ended.stop_requested()) {
      const auto now = clock::now();
      auto next = clock::time_point::max();
      for (const task& each : running_)
        if (each.unasked && each.until > now) next = std::min(next, each.until);
      if (ask(lock, [now](const task& each) { return each.until <= now; }))
        continue;  // others may have begun meanwhile
      if (next == clock::time_point::max()) {
        asleep_ = true;
        wake_.wait(lock, ended, [this] { return !asleep_; });
      } else {
        wake_.wait_until(lock, ended, next, [] { return false; });
      }
    }
  }

  void stop_everything() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    ask(lock, [](const task&) { return true; });
  }

  // Unlocks meanwhile, because asking runs the tasks' own stop callbacks; false if there was nobody to ask.
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
  bool asleep_{};
  bool stopped_{};
  std::stop_callback<std::function<void()>> forward_;
  std::jthread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
