// SPDX-License-Identifier: MIT
// What options::times adds to the summary of a map, and the inputs of the slowest tasks, which are written as those of
// failed tasks are.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// A list whose members stand for the slowest tasks, so that what writes the inputs of failures writes theirs.
[[nodiscard]] PARMAP_API failure_list as_failures(const map_times& times);
PARMAP_API void take_inputs(map_times& times, const failure_list& written);

void add_times(map_summary& all, const map_times& times);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/summary_times.inl.hpp>
#endif
