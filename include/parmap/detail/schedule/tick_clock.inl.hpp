// SPDX-License-Identifier: MIT
// The bodies of tick_clock.hpp.
#pragma once

#include <parmap/detail/schedule/tick_clock.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::uint64_t steady_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

#if defined(__x86_64__)
PARMAP_INLINE double ticks_per_us() noexcept {
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
PARMAP_INLINE double ticks_per_us() noexcept { return 1e3; }
#endif

}  // namespace parmap::inline PARMAP_ABI::detail
