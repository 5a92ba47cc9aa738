// SPDX-License-Identifier: MIT
// The bodies of process_cores.hpp where the system has no notion of the cores of a process.
#pragma once

#include <parmap/detail/system/process_cores.hpp>

#include <algorithm>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE unsigned cores_of_process() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace parmap::inline PARMAP_ABI::detail
