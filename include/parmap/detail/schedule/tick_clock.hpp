// SPDX-License-Identifier: MIT
// The scheduler's clock: ticks of the time stamp counter if there is one. Only for pacing, never for a timeout.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

using ticks = std::uint64_t;

[[nodiscard]] PARMAP_API std::uint64_t steady_ns() noexcept;

#if defined(__x86_64__)
// Takes 10 ns; clock_gettime takes 24 ns. (<x86intrin.h>, which has this as __rdtsc, is 1.6 MB of text.)
inline ticks now_ticks() noexcept { return __builtin_ia32_rdtsc(); }
#else
inline ticks now_ticks() noexcept { return steady_ns(); }
#endif

// Measured once per process, over 20 µs; accurate to 1 per cent, which is enough for pacing.
[[nodiscard]] PARMAP_API double ticks_per_us() noexcept;

inline ticks to_ticks(std::chrono::microseconds span) noexcept {
  return static_cast<ticks>(static_cast<double>(span.count()) * ticks_per_us());
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/schedule/tick_clock.inl.hpp>
#endif
