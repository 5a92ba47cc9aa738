// SPDX-License-Identifier: MIT
// The bodies of usable_cores.hpp.
#pragma once

#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/detail/system/process_cores.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE unsigned usable_cores() {
  static const unsigned cores = cores_of_process();
  return inside_worker() ? 1 : cores;
}

}  // namespace parmap::inline PARMAP_ABI::detail
