// SPDX-License-Identifier: MIT
// Replaces include/parmap/detail/system/protocol_step.hpp: every step of the protocol calls a hook that the test
// installs.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

enum class moment { before, after };

inline void (*step_hook)(const char* name, moment when) noexcept = nullptr;

inline void step(const char* name, moment when) noexcept {
  if (step_hook != nullptr) step_hook(name, when);
}

}  // namespace parmap::inline PARMAP_ABI::detail
