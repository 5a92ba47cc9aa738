// SPDX-License-Identifier: MIT
// The bodies of accumulator_memory.hpp.
#pragma once

#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/reduction/accumulator_memory.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE shared_memory make_accumulator_memory(std::size_t fixed, unsigned workers, bool encoded) {
  return encoded ? make_arena_memory(fixed, workers) : shared_memory(fixed);
}

}  // namespace parmap::inline PARMAP_ABI::detail
