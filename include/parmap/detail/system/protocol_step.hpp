// SPDX-License-Identifier: MIT
// The named steps of the protocol between workers and supervisor: where a test may kill or switch.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// A step is an act that another process can see: a store, a load or an addition of a shared word, taking or leaving the
// lock, a fork, a signal. What stands between two of them nobody else can tell apart.
enum class moment { before, after };

// Here: nothing, at no cost. The programs of tests/faults put a header of this name ahead on the include path.
constexpr void step(const char* /*name*/, moment /*when*/) noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
