// SPDX-License-Identifier: MIT
// stay_loaded: keeps the code of this library in memory while its own threads run it.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// From now on dlclose does not unload the shared object that contains this function. No effect in a program itself.
void stay_loaded() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/stay_loaded.inl.hpp>
#endif
