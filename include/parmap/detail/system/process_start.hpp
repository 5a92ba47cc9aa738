// SPDX-License-Identifier: MIT
// process_start: when a process was started, which with its pid names it while pids are reused; command_line.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// In clock ticks since the system booted; none if there is no such process, or it has ended, or /proc is missing.
inline std::optional<std::uint64_t> process_start(pid_t process) {
  const std::string text = text_of_file("/proc/" + std::to_string(process) + "/stat");
  std::size_t at = text.rfind(')');  // the name before it may hold anything
  if (at == std::string::npos || at + 2 >= text.size() || text[at + 2] == 'Z') return std::nullopt;
  constexpr int fields = 20;  // from the state, the third, to the start, the 22nd
  for (int field = 0; field < fields && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text.c_str() + at, nullptr, 10);
}

// That of this process, its arguments apart by spaces; empty if /proc is missing.
inline std::string command_line() {
  std::string text = text_of_file("/proc/self/cmdline");
  if (!text.empty() && text.back() == '\0') text.pop_back();
  std::ranges::replace(text, '\0', ' ');
  return text;
}

}  // namespace parmap::inline PARMAP_ABI::detail
