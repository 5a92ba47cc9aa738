// SPDX-License-Identifier: MIT
// fork_generation: distinguishes a forked child from its parent at the cost of one load.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// The number of forks between the process that called this first and the current one. State of another generation is
// invalid here: its threads do not exist in this process. Each copy of the library in a process counts with a handler
// of its own. (A raw clone() that bypasses pthread_atfork is not counted.)
[[nodiscard]] PARMAP_API std::uint64_t fork_generation() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/fork_generation.inl.hpp>
#endif
