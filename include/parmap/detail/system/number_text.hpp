// SPDX-License-Identifier: MIT
// Numbers as a message shows them.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
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

// "512 bytes", "64 MiB", "1.5 GiB".
inline std::string bytes_to_text(std::uint64_t bytes) {
  constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  double scaled = static_cast<double>(bytes);
  for (; scaled >= 1024 && unit + 1 < units.size(); ++unit) scaled /= 1024;
  std::array<char, 32> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.4g %s", scaled, units[unit]));
  return text.data();
}

}  // namespace parmap::detail
