// SPDX-License-Identifier: MIT
// The bodies of summary_line.hpp.
#pragma once

#include <parmap/detail/progress/summary_line.hpp>

#include <algorithm>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// A positive value below 1000 with two digits, or with all that stand before the point. In integers, as the decimal
// point of printf depends on the program's locale.
PARMAP_INLINE std::string format_two_digits(std::int64_t thousandths) {
  if (thousandths >= 9950) return std::to_string((thousandths + 500) / 1000);
  const std::int64_t tenths = (thousandths + 50) / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10);
}

PARMAP_INLINE std::string format_span(std::chrono::nanoseconds time) {
  const std::int64_t ns = std::max<std::int64_t>(0, time.count());
  constexpr std::int64_t us = 1000;
  constexpr std::int64_t ms = 1000 * us;
  constexpr std::int64_t second = 1000 * ms;
  if (ns < ms - us / 2) return format_two_digits(ns) + " µs";
  if (ns < second - ms / 2) return format_two_digits(ns / us) + " ms";
  if (ns < 60 * second - second / 2) return format_two_digits(ns / ms) + " s";
  const std::int64_t seconds = (ns + second / 2) / second;
  const auto two = [](std::int64_t below_60) {
    return std::string{static_cast<char>('0' + below_60 / 10), static_cast<char>('0' + below_60 % 10)};
  };
  if (seconds < 3600) return std::to_string(seconds / 60) + " min " + two(seconds % 60) + " s";
  return std::to_string(seconds / 3600) + " h " + two(seconds / 60 % 60) + " min";
}

PARMAP_INLINE std::string format_summary(std::chrono::nanoseconds elapsed, std::uint64_t completed,
                                         std::uint64_t failed, std::uint64_t stopped) {
  const std::uint64_t tasks = completed + failed + stopped;
  std::string text = std::to_string(tasks) + (tasks == 1 ? " task" : " tasks");
  if (elapsed > elapsed.zero()) text += " in " + format_span(elapsed);
  text += ": " + std::to_string(completed) + " ok";
  if (failed > 0) text += ", " + std::to_string(failed) + " failed";
  if (stopped > 0) text += ", " + std::to_string(stopped) + " stopped";
  return text;
}

}  // namespace parmap::inline PARMAP_ABI::detail
