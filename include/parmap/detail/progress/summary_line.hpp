// SPDX-License-Identifier: MIT
// The line that sums up a map: "200 tasks in 2.0 s: 197 ok, 3 failed".
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// "35 µs", "2.0 s", "3 min 20 s", "2 h 05 min": two or three digits.
[[nodiscard]] std::string format_span(std::chrono::nanoseconds time);

// `stopped` tasks have not begun or not ended, and are not among `failed`. A time of zero is not known.
[[nodiscard]] std::string format_summary(std::chrono::nanoseconds elapsed, std::uint64_t completed,
                                         std::uint64_t failed, std::uint64_t stopped);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/summary_line.inl.hpp>
#endif
