// SPDX-License-Identifier: MIT
// The bodies of value_places.hpp.
#pragma once

#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/value_places.hpp>

#include <algorithm>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void value_places::discard_all_but(failure_runs& failures, std::uint64_t ended) noexcept {
  if (trivial_) return;
  sort_runs(failures);
  std::uint64_t next = 0;
  const auto discard_until = [&](std::uint64_t e) {
    for (; next < e; ++next) discard(next);
  };
  for (const auto& [first, tasks] : failures) {
    discard_until(std::min(first.index, ended));
    next = std::max(next, first.index + tasks);
  }
  discard_until(ended);
}

}  // namespace parmap::inline PARMAP_ABI::detail
