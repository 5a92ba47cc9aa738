// SPDX-License-Identifier: MIT
// Tells a forked child from the process that made it, at the cost of a load.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

namespace parmap::detail {

inline std::atomic<std::uint64_t>& fork_count() noexcept {
  static std::atomic<std::uint64_t> forks{0};
  return forks;
}

// How many forks lie between the process in which this was first called and this one. What belongs to another
// generation is not ours: its threads do not exist here. (A raw clone() that bypasses pthread_atfork is not seen.)
inline std::uint64_t fork_generation() noexcept {
  static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { fork_count().fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);  // fails for want of memory only
  return fork_count().load(std::memory_order_relaxed);
}

}  // namespace parmap::detail
