// SPDX-License-Identifier: MIT
// Numbers as a message shows them.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace parmap::detail {

// "1.5 s", "50 ms", "3 us".
inline std::string to_text(std::chrono::nanoseconds span) {
  const double s = std::chrono::duration<double>(span).count();
  const char* unit = s >= 1 ? "s" : s >= 1e-3 ? "ms" : "us";
  const double scaled = s >= 1 ? s : s >= 1e-3 ? s * 1e3 : s * 1e6;
  char text[48];
  static_cast<void>(std::snprintf(text, sizeof text, "%.4g %s", scaled, unit));
  return text;
}

// "100 bytes", "64 MiB", "1.5 GiB".
inline std::string bytes_to_text(std::uint64_t bytes) {
  static constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB"};
  auto scaled = static_cast<double>(bytes);
  unsigned unit = 0;
  for (; scaled >= 1024 && unit < 3; ++unit) scaled /= 1024;
  char text[48];
  static_cast<void>(std::snprintf(text, sizeof text, "%.4g %s", scaled, units[unit]));
  return text;
}

}  // namespace parmap::detail
