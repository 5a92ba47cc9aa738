// SPDX-License-Identifier: MIT
// random_bits: a random number of the system.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Throws std::system_error if the system provides none.
[[nodiscard]] std::uint64_t random_bits();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/entropy.inl.hpp>
#endif
