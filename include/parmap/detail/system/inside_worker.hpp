// SPDX-License-Identifier: MIT
// Whether this process is a worker of a map, which has one core for itself.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// True also where another copy of the library made it, of another version or in another shared object; and in what a
// task forks. False in a program that a task executes: it may go elsewhere, and decides for itself.
[[nodiscard]] PARMAP_API bool inside_worker() noexcept;

// In a worker, right after its fork: this process has no other thread yet.
void enter_worker() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/inside_worker.inl.hpp>
#endif
