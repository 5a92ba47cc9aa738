// SPDX-License-Identifier: MIT
// Fresh seeds, cheap and never the same twice, also across a fork.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Throws std::system_error where the kernel gives no random number.
[[nodiscard]] PARMAP_API std::uint64_t fresh_seed();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/fresh_seed.inl.hpp>
#endif
