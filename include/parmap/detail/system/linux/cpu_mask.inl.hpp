// SPDX-License-Identifier: MIT
// The bodies of cpu_mask.hpp.
#pragma once

#include <parmap/detail/system/linux/cpu_mask.hpp>

#include <cerrno>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE cpu_mask affinity() {
  // The kernel rejects a mask smaller than its own, so the size doubles until it fits.
  for (std::size_t cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_mask mask(cpus);
    if (::sched_getaffinity(0, mask.bytes(), mask.get()) == 0) return mask;
    if (errno != EINVAL) break;
  }
  return cpu_mask(0);
}

}  // namespace parmap::inline PARMAP_ABI::detail
