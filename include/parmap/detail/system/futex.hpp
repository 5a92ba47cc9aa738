// SPDX-License-Identifier: MIT
// futex_wait and futex_wake: wait on a word of memory with a time limit, which std::atomic::wait does not have.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <limits>

namespace parmap::inline PARMAP_ABI::detail {

using futex_word = std::atomic<std::uint32_t>;
static_assert(sizeof(futex_word) == 4 && futex_word::is_always_lock_free);

inline constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

enum class futex_scope : int { process = FUTEX_PRIVATE_FLAG, shared = 0 };

// Sleeps while `word` holds `seen`, at most for `limit`. May return early without a reason: the caller checks again, so
// errors can be ignored.
inline void futex_wait(const futex_word& word, std::uint32_t seen, std::chrono::nanoseconds limit,
                       futex_scope scope = futex_scope::process) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timespec span{seconds.count(), (limit - seconds).count()};
  ::syscall(SYS_futex, &word, FUTEX_WAIT | static_cast<int>(scope), seen, limit == no_limit ? nullptr : &span, nullptr,
            0);
}

inline void futex_wake(const futex_word& word, int sleepers, futex_scope scope = futex_scope::process) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE | static_cast<int>(scope), sleepers, nullptr, nullptr, 0);
}

// The pause instruction for a spinning wait.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace parmap::inline PARMAP_ABI::detail
