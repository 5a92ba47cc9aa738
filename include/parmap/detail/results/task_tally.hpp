// SPDX-License-Identifier: MIT
// What became of the tasks of one map, as an in-process engine counts it, and whether any more are to be begun.
#pragma once

#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::detail {

// What a map of an in-process engine has to account for, over all its rounds. Written by many threads at once.
class task_tally {
 public:
  task_tally(std::string_view engine, const options& chosen, std::uint64_t tasks, ticks begun)
      : engine_(engine),
        options_(chosen),
        tasks_(tasks),
        most_failures_(chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max())),
        meter_(chosen.report, tasks, begun) {}

  [[nodiscard]] bool halted() const noexcept {
    return halted_.load(std::memory_order_acquire) || options_.stop.stop_requested();
  }
  void add_completed(std::uint64_t tasks) noexcept { completed_.fetch_add(tasks, std::memory_order_relaxed); }
  void add_failure(failure why) {
    const std::scoped_lock lock(mutex_);
    failures_.emplace_back(std::move(why), 1);
    if (failed_.fetch_add(1, std::memory_order_relaxed) + 1 >= most_failures_)
      halted_.store(true, std::memory_order_relaxed);
  }
  void add_never_begun(std::uint64_t b, std::uint64_t e, unsigned attempts_of_first = 0) {
    const std::scoped_lock lock(mutex_);
    add_stopped(failures_, b, e,
                options_.stop.stop_requested() || stopped_now_.load(std::memory_order_relaxed) ? stop_requested_text
                                                                                               : max_failures_text,
                attempts_of_first);
    never_begun_ += e - b;
  }

  // In a catch block: there is not even memory to take account of what failed. The map ends with that exception.
  void give_up() noexcept {
    const std::scoped_lock lock(mutex_);
    if (!gave_up_) gave_up_ = std::current_exception();
    halted_.store(true, std::memory_order_relaxed);
  }

  // In the caller's thread only. Begins no more tasks; this exception passes at the map's end.
  void break_off(std::exception_ptr why) noexcept {
    if (!broken_off_) broken_off_ = std::move(why);
    halted_.store(true, std::memory_order_relaxed);
  }
  // Whether the map is to end by an exception.
  [[nodiscard]] bool broken_off() const noexcept { return broken_off_ != nullptr || gave_up_ != nullptr; }

  // In the caller's thread only. What a reporter throws breaks the map off.
  void show(ticks now) noexcept {
    if (broken_off_) return;
    try {
      meter_.look(now, completed_.load(std::memory_order_relaxed), failed_.load(std::memory_order_relaxed));
    } catch (const stop_now&) {
      stopped_now_.store(true, std::memory_order_relaxed);
      halted_.store(true, std::memory_order_release);  // who sees it knows the reason
    } catch (...) {
      break_off(std::current_exception());
    }
  }
  [[nodiscard]] std::chrono::nanoseconds until_next_show() { return broken_off_ ? no_limit : meter_.wait(); }

  // When every thread has left.
  template <class T>
  results<T> finish(own_places<T>& values) {
    const std::uint64_t completed = completed_.load(std::memory_order_acquire);
    const std::uint64_t failed = failed_.load(std::memory_order_acquire);
    // Nobody knows any more which values there are; they are not destroyed.
    if (gave_up_) std::rethrow_exception(gave_up_);
    auto all = values.finish(std::move(failures_), *options_.seed);
    if (completed + failed + never_begun_ != tasks_)
      throw std::logic_error("parmap: the engine " + std::string(engine_) +
                             " lost count of its tasks; please report this");
    if (broken_off_) std::rethrow_exception(broken_off_);
    meter_.finish(completed, failed);
    return all;
  }

 private:
  std::string_view engine_;
  const options& options_;
  std::uint64_t tasks_;
  std::uint64_t most_failures_;
  std::atomic<bool> halted_{false};
  std::atomic<bool> stopped_now_{false};
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  failure_runs failures_;
  std::uint64_t never_begun_{};
  lazy_meter meter_;
  std::exception_ptr broken_off_;
  std::exception_ptr gave_up_;
};

}  // namespace parmap::detail
