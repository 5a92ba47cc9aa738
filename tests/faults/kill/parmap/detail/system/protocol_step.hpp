// SPDX-License-Identifier: MIT
// In place of include/parmap/detail/system/protocol_step.hpp: every step of the protocol calls a hook of the test.
#pragma once

namespace parmap::detail {

enum class moment { before, after };

inline void (*step_hook)(const char* name, moment when) noexcept = nullptr;

inline void step(const char* name, moment when) noexcept {
  if (step_hook != nullptr) step_hook(name, when);
}

}  // namespace parmap::detail
