// SPDX-License-Identifier: MIT
// options_of_part: the options of a map of one part, for the engine, which numbers the tasks of the part from 0.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/options.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// options::retry_if is told the indices in the map. Refers to `those`.
[[nodiscard]] PARMAP_API options options_of_part(const options& chosen, const task_part& those);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/part_options.inl.hpp>
#endif
