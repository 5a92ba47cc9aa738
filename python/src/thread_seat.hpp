// SPDX-License-Identifier: MIT
// The place of one thread in a map on threads: the task that it runs, and the exceptions that are raised there.
#pragma once

#include "async_exception.hpp"

#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace parmap::python {

struct tasks_ended {
  std::uint64_t done;
  std::uint64_t failed;
};

/// Use it with the GIL held.
class thread_seat {
 public:
  using clock = std::chrono::steady_clock;

  struct running {
    std::uint64_t task;
    clock::time_point begun;
  };

  // Used by the thread alone.
  bool ready{};
  nanobind::object unfit{};    ///< what init raised
  nanobind::object leave{};    ///< ends what init began
  nanobind::object context{};  ///< the caller's, with what init has set in it; each task runs in a copy

  // ---- Called by the thread.

  void begin(std::uint64_t task) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    thread_ = &async_exception::of_this_thread();
    task_.emplace(running{task, clock::now()});
  }
  /// Returns what to withdraw if an exception was raised in the task.
  [[nodiscard]] async_exception* end() noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    task_.reset();
    return std::exchange(asked_, false) ? thread_ : nullptr;
  }
  void count(bool well) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    ++ended_.done;
    if (!well) ++ended_.failed;
  }

  // ---- Called by the calling thread.

  void add_to(tasks_ended& all) const noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    all.done += ended_.done;
    all.failed += ended_.failed;
  }
  [[nodiscard]] std::optional<running> now_running() const noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    return task_;
  }
  /// Raises an exception of this class in the task, if there is one, at its next bytecode.
  void raise(nanobind::handle type) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    if (task_) ask(type);
  }
  /// The same, once, if the task has run for `limit`. Returns when it will have, if it has not.
  [[nodiscard]] std::optional<clock::time_point> raise_if_late(clock::time_point now, std::chrono::nanoseconds limit,
                                                               nanobind::handle type) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    if (!task_ || asked_) return {};
    const clock::time_point begun = task_->begun;
    if (now - begun < limit) return limit < clock::time_point::max() - begun ? begun + limit : clock::time_point::max();
    ask(type);
    return {};
  }
  /// This time does not count against the task.
  void forgive(clock::duration stopped) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    if (task_) task_->begun += stopped;
  }

 private:
  void ask(nanobind::handle type) noexcept {
    asked_ = true;
    thread_->raise(type);
  }

  mutable nanobind::ft_mutex mutex_;  // the GIL, where there is one; guards the following
  std::optional<running> task_{};
  bool asked_{};
  async_exception* thread_{};
  tasks_ended ended_{};
};

}  // namespace parmap::python
