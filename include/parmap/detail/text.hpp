// SPDX-License-Identifier: MIT
// Numbers as a message shows them.
#pragma once

#include <chrono>
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

}  // namespace parmap::detail
