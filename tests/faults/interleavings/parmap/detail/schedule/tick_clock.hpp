// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: a clock that stands still, so that time makes no states differ.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

using ticks = std::uint64_t;

inline std::uint64_t steady_ns() noexcept { return 1; }
inline ticks now_ticks() noexcept { return 1; }
inline double ticks_per_us() noexcept { return 1; }
inline ticks to_ticks(std::chrono::microseconds span) noexcept { return static_cast<ticks>(span.count()); }

}  // namespace parmap::inline PARMAP_ABI::detail
