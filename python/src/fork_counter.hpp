// SPDX-License-Identifier: MIT
// Tells whether a process made by fork may still see the memory that this process maps.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

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

  /// A later moment has a larger number.
  [[nodiscard]] static std::uint64_t moment() noexcept { return clock_.fetch_add(1); }

  enum class answer { done, later, never };
  /// Calls act() while no fork is under way. But never if there has been a fork since count() was `count`; and not now
  /// if workers may be alive that were forked after `since`, a moment().
  template <class Act>
  static answer unless_inherited(std::uint64_t count, std::uint64_t since, const Act& act) noexcept {
    const std::scoped_lock lock(gate_);
    if (forks_ != count) return answer::never;
    if (maps_ != 0 || std::ranges::any_of(streams_, [since](std::uint64_t begun) { return begun > since; }))
      return answer::later;
    act();
    return answer::done;
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

  /// While one of these lives, there may be workers of a stream, which are forked by a process that is forked now.
  class stream {
   public:
    stream() : begun_(moment()) {
      const std::scoped_lock lock(gate_);
      streams_.push_back(begun_);
    }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    ~stream() {
      const std::scoped_lock lock(gate_);
      std::erase(streams_, begun_);
    }

   private:
    std::uint64_t begun_;
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
  static inline std::vector<std::uint64_t> streams_;  // when each began
  static inline std::atomic<std::uint64_t> clock_{1};
  static inline std::atomic<std::uint64_t> workers_{};
  static inline thread_local std::uint64_t worker_{};
  static inline thread_local bool forking_worker_{};
};

}  // namespace parmap::python
