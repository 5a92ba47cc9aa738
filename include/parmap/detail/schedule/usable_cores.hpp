// SPDX-License-Identifier: MIT
// How many cores this process may use: CPU affinity and the cgroup's quota.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// At least 1; 1 inside a worker, whose caller has given the others away. Read once a process.
[[nodiscard]] PARMAP_API unsigned usable_cores();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/schedule/usable_cores.inl.hpp>
#endif
