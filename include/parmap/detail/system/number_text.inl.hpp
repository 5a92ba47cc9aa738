// SPDX-License-Identifier: MIT
// The bodies of number_text.hpp.
#pragma once

#include <parmap/detail/system/number_text.hpp>

#include <array>
#include <cstddef>
#include <cstdio>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string to_text(std::chrono::nanoseconds span) {
  const double s = std::chrono::duration<double>(span).count();
  const char* unit = s >= 1 ? "s" : s >= 1e-3 ? "ms" : "us";
  const double scaled = s >= 1 ? s : s >= 1e-3 ? s * 1e3 : s * 1e6;
  std::array<char, 48> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.4g %s", scaled, unit));
  return text.data();
}

PARMAP_INLINE std::string bytes_to_text(std::uint64_t bytes) {
  constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  double scaled = static_cast<double>(bytes);
  for (; scaled >= 1024 && unit + 1 < units.size(); ++unit) scaled /= 1024;
  std::array<char, 32> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.4g %s", scaled, units[unit]));
  return text.data();
}

}  // namespace parmap::inline PARMAP_ABI::detail
