// SPDX-License-Identifier: MIT
// A bound on the memory that this process adds, and word of the moment it is felt.
#pragma once

#include <parmap/detail/process.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>

namespace parmap::detail {

// Private writable memory this process has mapped, in bytes: what RLIMIT_DATA counts (Linux 4.7 and later). Unlike
// RLIMIT_AS it leaves out the sparse shared reservation. Without /proc nobody knows.
inline std::optional<std::uint64_t> private_memory() noexcept {
  const file_descriptor status(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (status.get() < 0) return std::nullopt;
  std::array<char, 4096> text{};
  const ssize_t got = ::read(status.get(), text.data(), text.size() - 1);
  if (got <= 0) return std::nullopt;
  const char* const line = std::strstr(text.data(), "VmData:");
  if (line == nullptr) return std::nullopt;
  return std::strtoull(line + std::strlen("VmData:"), nullptr, 10) * 1024;
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
inline void note_refused_memory(void (*note)()) noexcept {
  static void (*noted)() = nullptr;
  static std::new_handler before = nullptr;
  noted = note;
  before = std::set_new_handler([] {
    noted();
    if (before == nullptr) throw std::bad_alloc();
    before();
  });
}

}  // namespace parmap::detail
