// SPDX-License-Identifier: MIT
// stop_now: the exception by which a callable reporter ends a map at once.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// A callable reporter throws it to end the map at once; map returns what is done. Workers are killed; tasks in this
// process run to their end, and no further one is begun. Ignored in the last report, when the map has ended.
struct stop_now {};

}  // namespace parmap::inline PARMAP_ABI::detail
