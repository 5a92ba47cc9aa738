// SPDX-License-Identifier: MIT
// Whether the kernel's out-of-memory killer has been at work.
#pragma once

#include <parmap/detail/proc_file.hpp>

#include <array>
#include <optional>

namespace parmap::detail {

// Processes it has killed since the machine was started, in all cgroups (Linux 4.13 and later). About 15 us.
inline std::optional<long long> oom_kills_so_far() noexcept {
  std::array<char, 16384> text{};
  if (!read_file("/proc/vmstat", text)) return std::nullopt;
  return number_after("\noom_kill ", text.data());
}

}  // namespace parmap::detail
