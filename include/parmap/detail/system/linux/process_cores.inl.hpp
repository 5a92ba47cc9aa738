// SPDX-License-Identifier: MIT
// The bodies of process_cores.hpp on Linux.
#pragma once

#include <parmap/detail/system/linux/cgroup_quota.hpp>
#include <parmap/detail/system/linux/cpu_mask.hpp>
#include <parmap/detail/system/process_cores.hpp>

#include <unistd.h>

#include <algorithm>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE unsigned cores_by_affinity() {
  const unsigned cores = affinity().count();
  return cores > 0 ? cores : static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

PARMAP_INLINE unsigned cores_of_process() {
  const unsigned affinity = cores_by_affinity();
  const double quota = cores_by_quota();
  return quota > 0
             ? std::clamp(static_cast<unsigned>(quota) + (quota > static_cast<unsigned>(quota) ? 1U : 0U), 1U, affinity)
             : affinity;
}

}  // namespace parmap::inline PARMAP_ABI::detail
