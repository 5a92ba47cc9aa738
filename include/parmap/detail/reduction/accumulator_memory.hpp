// SPDX-License-Identifier: MIT
// make_accumulator_memory: the memory that the workers of a reduction share.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

// A part of `fixed` bytes, and behind it an arena for each worker if values are encoded. Throws std::system_error.
[[nodiscard]] PARMAP_API shared_memory make_accumulator_memory(std::size_t fixed, unsigned workers, bool encoded);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/reduction/accumulator_memory.inl.hpp>
#endif
