// SPDX-License-Identifier: MIT
// Tells a forked child from the process that made it, at the cost of a load.
#pragma once

#include <parmap/detail/config.hpp>

#include <atomic>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

std::atomic<std::uint64_t>& fork_count() noexcept;

// How many forks lie between the process in which this was first called and this one. What belongs to another
// generation is not ours: its threads do not exist here. Each copy of the library in a process counts for itself, by a
// handler of its own. (A raw clone() that bypasses pthread_atfork is not seen.)
[[nodiscard]] std::uint64_t fork_generation() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/fork_generation.inl.hpp>
#endif
