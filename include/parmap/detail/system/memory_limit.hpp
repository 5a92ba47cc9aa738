// SPDX-License-Identifier: MIT
// A bound on the memory that this process adds, and word of the moment it is felt.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Private writable memory this process has mapped, in bytes: what RLIMIT_DATA counts (Linux 4.7 and later). Unlike
// RLIMIT_AS it leaves out the sparse shared reservation. Without /proc nobody knows.
[[nodiscard]] std::optional<std::uint64_t> private_memory() noexcept;

// From now on this process may map so many bytes more than it has. False, with errno, if it cannot be said.
[[nodiscard]] bool limit_private_memory(std::uint64_t more) noexcept;

// From now on note() is called whenever operator new is refused; then happens what would have happened without.
void tell_of_refused_memory(void (*note)()) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/memory_limit.inl.hpp>
#endif
