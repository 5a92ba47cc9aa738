// SPDX-License-Identifier: MIT
// futex_word: a word of memory on which threads wait, by futex.hpp.
#pragma once

#include <parmap/detail/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

using futex_word = std::atomic<std::uint32_t>;
static_assert(sizeof(futex_word) == 4 && futex_word::is_always_lock_free);

inline constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

// The pause instruction for a spinning wait.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace parmap::inline PARMAP_ABI::detail
