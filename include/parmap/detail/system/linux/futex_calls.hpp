// SPDX-License-Identifier: MIT
// futex_wait and futex_wake by the system call, which costs nothing where nobody sleeps, and also works between
// processes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/futex_word.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <ctime>

namespace parmap::inline PARMAP_ABI::detail {

enum class futex_scope : int { process = FUTEX_PRIVATE_FLAG, shared = 0 };

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

}  // namespace parmap::inline PARMAP_ABI::detail
