// SPDX-License-Identifier: MIT
// Whether the kernel's out-of-memory killer has been at work.
#pragma once

#include <parmap/detail/process.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace parmap::detail {

// Processes it has killed since the machine was started, in all cgroups (Linux 4.13 and later). About 15 us.
inline std::optional<std::uint64_t> oom_kills_so_far() noexcept {
  const file_descriptor vmstat(::open("/proc/vmstat", O_RDONLY | O_CLOEXEC));
  if (vmstat.get() < 0) return std::nullopt;
  std::array<char, 16384> text{};
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0; size += static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
    got = ::read(vmstat.get(), text.data() + size, text.size() - 1 - size);
  const char* const line = std::strstr(text.data(), "\noom_kill ");
  if (line == nullptr) return std::nullopt;
  return std::strtoull(line + std::strlen("\noom_kill "), nullptr, 10);
}

}  // namespace parmap::detail
