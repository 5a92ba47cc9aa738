// SPDX-License-Identifier: MIT
// under_valgrind: whether valgrind runs this program, which needs memory and threads to be handled with care.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// Valgrind preloads libraries of its own into the programs that it runs; that is what this looks for, once.
[[nodiscard]] bool under_valgrind() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/valgrind.inl.hpp>
#endif
