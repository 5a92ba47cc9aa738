// SPDX-License-Identifier: MIT
// In place of the library's: no processes; what worker.hpp asks of that header.
#pragma once

#include <signal.h>
#include <unistd.h>

namespace parmap::detail {

inline void flush_standard_streams() noexcept {}

}  // namespace parmap::detail
