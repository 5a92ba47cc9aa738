// SPDX-License-Identifier: MIT
// step: the named steps of the protocol between workers and supervisor, at which a test may kill or switch a process.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// A step is an action that another process can observe: a store, a load or an addition of a shared word, taking or
// releasing the lock, a fork, a signal. No other process can distinguish states between two steps.
enum class moment { before, after };

// Does nothing here, at no cost. The tests in tests/faults put a header of this name first on the include path.
constexpr void step(const char* /*name*/, moment /*when*/) noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
