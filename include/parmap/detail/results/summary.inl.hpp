// SPDX-License-Identifier: MIT
// The bodies of summary.hpp.
#pragma once

#include <parmap/detail/progress/summary_line.hpp>
#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/summary.hpp>

#include <cmath>
#include <ostream>
#include <string>

namespace parmap::inline PARMAP_ABI {

PARMAP_INLINE std::string to_string(const map_summary& all) {
  const std::uint64_t stopped = all.count(failure_kind::stopped);
  std::string text = detail::format_summary(all.elapsed, all.completed, all.failed() - stopped, stopped);
  if (all.elsewhere > 0)
    text += "; " + std::to_string(all.elsewhere) + (all.elsewhere == 1 ? " task is" : " tasks are") + " in other parts";
  text += detail::format_causes(all.causes);
  if (all.busy)
    text += "\n  workers busy " + std::to_string(static_cast<int>(std::lround(*all.busy * 100))) + " % of the time";
  for (const task_time& each : all.slowest) {
    text += (&each == all.slowest.data() ? "\n  slowest: task " : ", task ") + std::to_string(each.index);
    if (!each.inputs.empty()) text += " (" + each.inputs + ")";
    text += " in " + detail::format_span(each.took);
  }
  return text;
}

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, const map_summary& all) { return out << to_string(all); }

}  // namespace parmap::inline PARMAP_ABI
