// SPDX-License-Identifier: MIT
// Tells whether a process made by fork may still see the memory that this process maps.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace parmap::python {

/// Counts every fork of this process, whatever code does it (pthread_atfork). Forks of workers are not counted, because
/// workers are gone when their map has ended.
class fork_counter {
 public:
  /// Call before the first map; further calls do nothing.
  static void begin();

  /// The number of forks whose child may live on.
  [[nodiscard]] static std::uint64_t count() noexcept { return forks_; }

  /// In a worker: its number among those of its caller, of all maps.
  [[nodiscard]] static std::uint64_t number_of_worker() noexcept { return worker_; }

  /// Calls act() while no fork is under way, unless there has been a fork since count() was `count`, or workers may be
  /// alive.
  template <class Act>
  static void unless_inherited(std::uint64_t count, const Act& act) noexcept {
    const std::scoped_lock lock(gate_);
    if (forks_ == count && maps_ == 0) act();
  }

  /// While one of these lives, there may be workers.
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

  /// Between these calls, this thread forks a worker. The worker calls end_worker_fork(), too.
  static void begin_worker_fork() noexcept {
    forking_worker_ = true;
    worker_ = ++workers_;
  }
  static void end_worker_fork() noexcept { forking_worker_ = false; }

 private:
  static inline std::mutex gate_;
  static inline std::atomic<std::uint64_t> forks_{};  // changed with the gate held, as maps_ is
  static inline int maps_{};
  static inline std::atomic<std::uint64_t> workers_{};
  static inline thread_local std::uint64_t worker_{};
  static inline thread_local bool forking_worker_{};
};

}  // namespace parmap::python
