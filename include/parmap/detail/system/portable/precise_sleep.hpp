// SPDX-License-Identifier: MIT
// sleep_precisely where a thread cannot ask for it.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

inline void sleep_precisely() noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
