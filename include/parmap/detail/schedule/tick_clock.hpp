// SPDX-License-Identifier: MIT
// The scheduler's clock: ticks of the time stamp counter where there is one, for pacing only, never for a timeout.
#pragma once

#include <chrono>
#include <cstdint>

namespace parmap::detail {

using ticks = std::uint64_t;

inline std::uint64_t steady_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

#if defined(__x86_64__)
// 10 ns where clock_gettime costs 24. (<x86intrin.h>, which has this as __rdtsc, is 1.6 MB of text.)
inline ticks now_ticks() noexcept { return __builtin_ia32_rdtsc(); }

// Measured once a process, over 20 us; good to a per cent, which is more than pacing needs.
inline double ticks_per_us() noexcept {
  static const double rate = [] {
    const std::uint64_t from_ns = steady_ns();
    const ticks from = now_ticks();
    std::uint64_t to_ns = from_ns;
    while (to_ns - from_ns < 20'000) to_ns = steady_ns();
    const double measured = static_cast<double>(now_ticks() - from) * 1e3 / static_cast<double>(to_ns - from_ns);
    return measured > 1 ? measured : 1;
  }();
  return rate;
}
#else
inline ticks now_ticks() noexcept { return steady_ns(); }
inline double ticks_per_us() noexcept { return 1e3; }
#endif

inline ticks to_ticks(std::chrono::microseconds span) noexcept {
  return static_cast<ticks>(static_cast<double>(span.count()) * ticks_per_us());
}

}  // namespace parmap::detail
