// SPDX-License-Identifier: MIT
// The bodies of memory_limit.hpp.
#pragma once

#include <parmap/detail/system/memory_limit.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::optional<std::uint64_t> private_memory() noexcept {
  std::array<char, 16384> text{};
  if (!read_file("/proc/self/status", text)) return std::nullopt;
  const auto kilobytes = number_after("\nVmData:", text.data());
  if (!kilobytes) return std::nullopt;
  return static_cast<std::uint64_t>(*kilobytes) * 1024;
}

PARMAP_INLINE bool limit_private_memory(std::uint64_t more) noexcept {
  const auto now = private_memory();
  if (!now) {
    errno = ENOENT;
    return false;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  if (more < limit.rlim_cur - std::min<rlim_t>(*now, limit.rlim_cur)) limit.rlim_cur = *now + more;
  return ::setrlimit(RLIMIT_DATA, &limit) == 0;
}

// The new_handler: calls `told`, then the earlier handler.
struct refused_memory {
  static void handle() {
    told();
    if (earlier == nullptr) throw std::bad_alloc();
    earlier();
  }

  static inline void (*told)() = nullptr;
  static inline std::new_handler earlier = nullptr;
};

PARMAP_INLINE void tell_of_refused_memory(void (*note)()) noexcept {
  refused_memory::told = note;
  const std::new_handler before = std::set_new_handler(&refused_memory::handle);
  if (before != &refused_memory::handle) refused_memory::earlier = before;  // a nested worker inherits ours
}

}  // namespace parmap::inline PARMAP_ABI::detail
