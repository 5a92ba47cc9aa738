// SPDX-License-Identifier: MIT
// cores_of_process: the number of cores on which the system lets this process run.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// At least 1. Linux: by CPU affinity and the quota of the cgroup. Windows: by the affinity mask of the process, and so
// at most the 64 of a processor group. macOS: all.
[[nodiscard]] unsigned cores_of_process();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/process_cores.inl.hpp>
#endif
