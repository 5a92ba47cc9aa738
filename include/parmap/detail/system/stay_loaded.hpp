// SPDX-License-Identifier: MIT
// Keeps the code of this library in memory while threads of its own run it.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// From now on dlclose leaves the shared object with this function where it is. No effect in a program itself.
void stay_loaded() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/stay_loaded.inl.hpp>
#endif
