// SPDX-License-Identifier: MIT
// The bodies of fork_generation.hpp on Linux and macOS.
#pragma once

#include <parmap/detail/system/fork_generation.hpp>

#include <pthread.h>

#include <atomic>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::atomic<std::uint64_t>& fork_count() noexcept {
  static std::atomic<std::uint64_t> forks{0};
  return forks;
}

PARMAP_INLINE std::uint64_t fork_generation() noexcept {
  static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { fork_count().fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);  // fails only without memory
  return fork_count().load(std::memory_order_relaxed);
}

}  // namespace parmap::inline PARMAP_ABI::detail
