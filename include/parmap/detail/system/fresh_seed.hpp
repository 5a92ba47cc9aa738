// SPDX-License-Identifier: MIT
// fresh_seed: cheap seeds that do not repeat in a process; a forked child draws from a new random start.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Throws std::system_error if the system provides no random number.
[[nodiscard]] PARMAP_API std::uint64_t fresh_seed();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/fresh_seed.inl.hpp>
#endif
