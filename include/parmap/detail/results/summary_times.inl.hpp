// SPDX-License-Identifier: MIT
// The bodies of summary_times.hpp.
#pragma once

#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/summary_times.hpp>

#include <algorithm>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE failure_list as_failures(const map_times& times) {
  failure_runs runs;
  for (const task_time& each : times.slowest) runs.emplace_back(failure{each.index}, 1);
  return failure_list(std::move(runs));
}

PARMAP_INLINE void take_inputs(map_times& times, const failure_list& written) {
  for (const failure& each : written)
    if (const auto found = std::ranges::find(times.slowest, each.index, &task_time::index);
        found != times.slowest.end())
      found->inputs = each.inputs;
}

PARMAP_INLINE void add_times(map_summary& all, const map_times& times) {
  if (all.elapsed == all.elapsed.zero()) all.elapsed = times.elapsed;
  const double available = static_cast<double>(times.elapsed.count()) * times.workers;
  if (available > 0 && !times.slowest.empty())
    all.busy = std::min(1.0, static_cast<double>(times.busy.count()) / available);
  all.slowest = times.slowest;
}

}  // namespace parmap::inline PARMAP_ABI::detail
