// SPDX-License-Identifier: MIT
// A bound on the memory that this process adds, and word of the moment it is felt.
#pragma once

#include <parmap/detail/system/proc_file.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <new>
#include <optional>

namespace parmap::detail {

// Private writable memory this process has mapped, in bytes: what RLIMIT_DATA counts (Linux 4.7 and later). Unlike
// RLIMIT_AS it leaves out the sparse shared reservation. Without /proc nobody knows.
inline std::optional<std::uint64_t> private_memory() noexcept {
  std::array<char, 16384> text{};
  if (!read_file("/proc/self/status", text)) return std::nullopt;
  const auto kilobytes = number_after("\nVmData:", text.data());
  if (!kilobytes) return std::nullopt;
  return static_cast<std::uint64_t>(*kilobytes) * 1024;
}

// From now on this process may map so many bytes more than it has. False, with errno, if it cannot be said.
inline bool limit_private_memory(std::uint64_t more) noexcept {
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

// Calls note() whenever operator new is refused, then does what would have been done without.
class refused_memory {
 public:
  static void tell(void (*note)()) noexcept {
    told = note;
    const std::new_handler before = std::set_new_handler(&handle);
    if (before != &handle) earlier = before;  // a worker's worker has inherited ours
  }

 private:
  static void handle() {
    told();
    if (earlier == nullptr) throw std::bad_alloc();
    earlier();
  }

  static inline void (*told)() = nullptr;
  static inline std::new_handler earlier = nullptr;
};

}  // namespace parmap::detail
