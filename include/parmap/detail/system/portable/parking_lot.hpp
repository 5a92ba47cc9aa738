// SPDX-License-Identifier: MIT
// parking_lot: threads that sleep until a word of memory has changed, by a mutex and a condition variable for each of a
// few groups of words.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace parmap::inline PARMAP_ABI::detail {

// Whoever changes a word calls unpark() afterwards. A thread looks at the word while it holds the mutex of the word's
// group, and unpark() takes this mutex: so either the thread sees the change, or it sleeps already, and is woken.
class parking_lot {
 public:
  using word = std::atomic<std::uint32_t>;

  // A process that was forked has its own: a thread of its parent may have held a mutex at the fork.
  PARMAP_API static parking_lot& of_this_process();

  // Returns once `at` does not hold `seen` any more, after `limit`, or earlier without a reason.
  PARMAP_API void park(const word& at, std::uint32_t seen, std::chrono::nanoseconds limit) noexcept;
  // Wakes all that sleep on `at`, and those on other words of its group, which look and may go back to sleep.
  PARMAP_API void unpark(const word& at) noexcept;

  // Of no process yet.
  explicit parking_lot(std::uint64_t generation) noexcept : generation_(generation) {}

 private:
  struct alignas(64) group {
    std::mutex mutex;
    std::condition_variable changed;
  };

  [[nodiscard]] group& group_of(const word& at) noexcept;

  std::uint64_t generation_;  // of processes
  std::array<group, 64> groups_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/portable/parking_lot.inl.hpp>
#endif
