// SPDX-License-Identifier: MIT
// How a callable reporter ends a map at once.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// Thrown by a callable reporter: the map is to end at once, and to return what is done. Workers are killed; tasks of
// this process run to their end, and no other is begun. In the last report it means nothing: the map has ended.
struct stop_now {};

}  // namespace parmap::inline PARMAP_ABI::detail
