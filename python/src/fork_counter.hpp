// SPDX-License-Identifier: MIT
// Whether a process made by fork may still see the memory that this one maps.
#pragma once

#include <cstdint>
#include <mutex>

namespace parmap::python {

/// Every fork of this process, whoever does it, is heard of here (pthread_atfork). Workers are told from others: they
/// are gone when their map has ended.
class fork_counter {
 public:
  /// Before the first map; further calls do nothing.
  static void begin();

  /// Counts the forks after which somebody may live on.
  [[nodiscard]] static std::uint64_t count() noexcept { return forks_; }

  /// act() while no fork is under way, unless there has been one since count() was `count`, or workers are alive.
  template <class Act>
  static void unless_inherited(std::uint64_t count, const Act& act) noexcept {
    const std::scoped_lock lock(gate_);
    if (forks_ == count && maps_ == 0) act();
  }

  /// While it lives there may be workers.
  class map {
   public:
    map() noexcept { add(1); }
    map(const map&) = delete;
    map& operator=(const map&) = delete;
    ~map() { add(-1); }

   private:
    static void add(int change) noexcept {
      const std::scoped_lock lock(gate_);
      maps_ += change;
    }
  };

  /// Between these, this thread forks a worker. In the worker, end_worker_fork() is called too.
  static void begin_worker_fork() noexcept { forking_worker_ = true; }
  static void end_worker_fork() noexcept { forking_worker_ = false; }

 private:
  static inline std::mutex gate_;
  static inline std::uint64_t forks_{};  // under the gate, as maps_
  static inline int maps_{};
  static inline thread_local bool forking_worker_{};
};

}  // namespace parmap::python
