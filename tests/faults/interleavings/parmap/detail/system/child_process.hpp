// SPDX-License-Identifier: MIT
// In place of the library's: no processes; what worker.hpp asks of that header.
#pragma once

#include <parmap/detail/config.hpp>

#include <signal.h>
#include <unistd.h>

namespace parmap::inline PARMAP_ABI::detail {

inline void flush_standard_streams() noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
