// SPDX-License-Identifier: MIT
// task_times: what the option times measures in one map, and how Python gets it.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/parmap.hpp>

#include <chrono>
#include <mutex>

namespace parmap::python {

// It may be read while threads that were left behind still tell it of their tasks.
class task_times final : public detail::attempt_observer {
 public:
  /// `next` hears everything, too; null: there is none.
  explicit task_times(detail::attempt_observer* next) noexcept : next_(next) {}

  void begun(const detail::attempt& it) noexcept override {
    if (next_ != nullptr) next_->begun(it);
  }
  void failed(const detail::attempt& it, const failure& why) noexcept override {
    add(it);
    if (next_ != nullptr) next_->failed(it, why);
  }
  void ended(const detail::attempt& it, detail::seen_value value, const failure* why) noexcept override {
    add(it);
    if (next_ != nullptr) next_->ended(it, value, why);
  }
  void happened_to(unsigned worker, detail::worker_event what,
                   detail::attempt::clock::time_point when) noexcept override {
    {
      const std::scoped_lock lock(mutex_);
      kept_.happened_to(worker, what, when);
    }
    if (next_ != nullptr) next_->happened_to(worker, what, when);
  }

  /// Appends (seconds of all attempts, seconds of all workers, [(task, attempt, seconds) of the slowest]). With the GIL
  /// held.
  void tell(nanobind::list to) const {
    const detail::map_times now = times();
    nanobind::list slowest;
    for (const task_time& each : now.slowest)
      slowest.append(nanobind::make_tuple(each.index, each.attempt, seconds(each.took)));
    to.append(nanobind::make_tuple(seconds(now.busy), seconds(now.elapsed) * now.workers, slowest));
  }

 private:
  static double seconds(std::chrono::nanoseconds span) noexcept { return std::chrono::duration<double>(span).count(); }
  void add(const detail::attempt& it) noexcept {
    const std::scoped_lock lock(mutex_);
    kept_.add(it);
  }
  [[nodiscard]] detail::map_times times() const {
    const std::scoped_lock lock(mutex_);
    return kept_.times();
  }

  detail::attempt_observer* next_;
  mutable std::mutex mutex_;
  detail::time_keeper kept_;
};

}  // namespace parmap::python
