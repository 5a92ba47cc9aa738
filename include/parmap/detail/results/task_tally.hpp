// SPDX-License-Identifier: MIT
// Counts the tasks of one map that an in-process engine has completed, failed or not begun, and says when to stop.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Covers all rounds of a map. Several threads may write at once.
class task_tally {
 public:
  PARMAP_API task_tally(std::string_view engine, const options& chosen, std::uint64_t tasks, ticks begun);
  PARMAP_API ~task_tally();

  [[nodiscard]] bool halted() const noexcept {
    return halted_.load(std::memory_order_acquire) || options_.stop.stop_requested();
  }
  [[nodiscard]] const std::atomic<bool>& halt_flag() const noexcept { return halted_; }
  void add_completed(std::uint64_t tasks) noexcept { completed_.fetch_add(tasks, std::memory_order_relaxed); }
  PARMAP_API void add_failure(failure why);
  PARMAP_API void add_never_begun(std::uint64_t b, std::uint64_t e, unsigned attempts_of_first = 0);

  // No more tasks are begun.
  void halt() noexcept { halted_.store(true, std::memory_order_release); }
  // No more tasks are begun, because the map's time is over.
  void halt_at_deadline() noexcept {
    late_.store(true, std::memory_order_relaxed);
    halted_.store(true, std::memory_order_release);  // release: a thread that sees it also sees late_
  }

  // Call in a catch block when there is no memory left to record a failure. The map ends with the current exception.
  PARMAP_API void give_up() noexcept;

  // In the caller's thread only. No more tasks are begun; the map ends with this exception.
  PARMAP_API void break_off(std::exception_ptr why) noexcept;
  // Whether the map will end with an exception.
  [[nodiscard]] bool broken_off() const noexcept { return broken_off_ != nullptr || gave_up_ != nullptr; }

  // In the caller's thread only. An exception of the reporter breaks the map off.
  PARMAP_API void show(ticks now) noexcept;
  [[nodiscard]] PARMAP_API std::chrono::nanoseconds until_next_show();

  // Call after every thread has left; returns the failures. If the map ends with an exception, throws it and destroys
  // all values in `values`; only after give_up the values stay, as it is unknown which ones exist.
  [[nodiscard]] PARMAP_API failure_list finish(value_places& values);

 private:
  std::string_view engine_;
  const options& options_;
  std::uint64_t tasks_;
  std::uint64_t most_failures_;
  std::atomic<bool> halted_{false};
  std::atomic<bool> stopped_now_{false};
  std::atomic<bool> late_{false};  // the deadline was reached
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  failure_runs failures_;
  std::uint64_t never_begun_{};
  lazy_meter meter_;
  std::exception_ptr broken_off_;
  std::exception_ptr gave_up_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/task_tally.inl.hpp>
#endif
