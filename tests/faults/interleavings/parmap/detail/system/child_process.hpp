// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: only what worker_process.hpp needs of it, as there are no processes.
#pragma once

#include <parmap/detail/config.hpp>

#include <signal.h>
#include <unistd.h>

namespace parmap::inline PARMAP_ABI::detail {

inline void flush_standard_streams() noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
