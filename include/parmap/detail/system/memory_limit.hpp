// SPDX-License-Identifier: MIT
// A limit on the private memory that this process adds, and a callback for refused allocations.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// The private writable memory that this process has mapped, in bytes, as RLIMIT_DATA counts it (Linux 4.7 and later).
// Unlike RLIMIT_AS this excludes the sparse shared reservation. None without /proc.
[[nodiscard]] std::optional<std::uint64_t> private_memory() noexcept;

// Limits this process to `more` bytes of private memory beyond what it has now. False, with errno, if it fails.
[[nodiscard]] bool limit_private_memory(std::uint64_t more) noexcept;

// From now on a refused operator new calls note(), and then does what it would have done without it.
void tell_of_refused_memory(void (*note)()) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/memory_limit.inl.hpp>
#endif
