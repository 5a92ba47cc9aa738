// SPDX-License-Identifier: MIT
// The bodies of oom_killer.hpp.
#pragma once

#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/oom_killer.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::optional<long long> oom_kills_so_far() noexcept {
  std::array<char, 16384> text{};
  if (!read_file("/proc/vmstat", text)) return std::nullopt;
  return number_after("\noom_kill ", text.data());
}

PARMAP_INLINE void offer_to_oom_killer(const child_process& worker) noexcept {
  constexpr int much = 500;
  constexpr int most = 1000;
  std::array<char, 48> path{};
  std::array<char, 16> text{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%d/oom_score_adj", worker.pid()));
  const file_descriptor file(::open(path.data(), O_RDWR | O_CLOEXEC));
  // The pid belongs to the child until it is reaped, and an open file stays that of the process for which it was
  // opened.
  if (file.get() < 0 || !worker.is_ours() || ::read(file.get(), text.data(), text.size() - 1) <= 0) return;
  const int length = std::snprintf(text.data(), text.size(), "%d", std::min(most, std::atoi(text.data()) + much));
  static_cast<void>(!::pwrite(file.get(), text.data(), static_cast<std::size_t>(length), 0));
}

}  // namespace parmap::inline PARMAP_ABI::detail
