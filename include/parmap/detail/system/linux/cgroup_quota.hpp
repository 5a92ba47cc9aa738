// SPDX-License-Identifier: MIT
// cores_by_quota: how many cores the cgroups of this process may use.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// The lowest quota from this process's cgroup up to the root, in cores; 0 if there is none.
[[nodiscard]] double cores_by_quota();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/linux/cgroup_quota.inl.hpp>
#endif
