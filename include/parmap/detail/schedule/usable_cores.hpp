// SPDX-License-Identifier: MIT
// usable_cores: the number of cores that this process may use.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// At least 1. 1 inside a worker, as the caller's map uses the other cores. Read once per process.
[[nodiscard]] PARMAP_API unsigned usable_cores();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/schedule/usable_cores.inl.hpp>
#endif
