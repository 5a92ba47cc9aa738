// SPDX-License-Identifier: MIT
// The bodies of inside_worker.hpp where no engine forks.
#pragma once

#include <parmap/detail/system/inside_worker.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE bool inside_worker() noexcept { return false; }

}  // namespace parmap::inline PARMAP_ABI::detail
