// SPDX-License-Identifier: MIT
// sleep_precisely on Linux.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/prctl.h>

namespace parmap::inline PARMAP_ABI::detail {

inline void sleep_precisely() noexcept {
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL));  // the default slack of 50 µs is too coarse
}

}  // namespace parmap::inline PARMAP_ABI::detail
