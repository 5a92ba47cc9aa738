// SPDX-License-Identifier: MIT
// The bodies of retry_wait.hpp.
#pragma once

#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/philox.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::chrono::nanoseconds retry_wait(std::chrono::nanoseconds first, std::uint64_t seed,
                                                  std::uint64_t task, unsigned attempt) noexcept {
  constexpr double longest = 24 * 3600 * 1e9;  // ns
  constexpr unsigned most_doublings = 60;      // beyond them even 1 ns is longer
  philox4x64 random(std::array<std::uint64_t, 2>{seed, task});
  random.set_counter({std::numeric_limits<std::uint64_t>::max(), 0, 0, attempt});
  const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;  // 53 bits, in [0, 1)
  double wait = static_cast<double>(first.count()) * (0.75 + uniform / 2);
  for (unsigned k = 1; k < std::min(attempt, most_doublings) && wait < longest; ++k) wait *= 2;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(wait, longest)));
}

}  // namespace parmap::inline PARMAP_ABI::detail
