// SPDX-License-Identifier: MIT
// The bodies of summary.hpp.
#pragma once

#include <parmap/detail/progress/summary_line.hpp>
#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/summary.hpp>

#include <ostream>

namespace parmap::inline PARMAP_ABI {

PARMAP_INLINE std::string to_string(const map_summary& all) {
  const std::uint64_t stopped = all.count(failure_kind::stopped);
  return detail::format_summary(all.elapsed, all.completed, all.failed() - stopped, stopped) +
         detail::format_causes(all.causes);
}

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, const map_summary& all) { return out << to_string(all); }

}  // namespace parmap::inline PARMAP_ABI
