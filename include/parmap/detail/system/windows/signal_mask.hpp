// SPDX-License-Identifier: MIT
// signals_blocked and outer_mask_scope on Windows, where a signal has a thread of its own.
#pragma once

#include <parmap/detail/config.hpp>

#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

struct no_signals {};

class signals_blocked {
 public:
  signals_blocked() noexcept {}  // NOLINT(modernize-use-equals-default): no warning about an unused object
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  [[nodiscard]] static no_signals before() noexcept { return {}; }
};

inline std::optional<no_signals>& outer_signal_mask() noexcept {
  static std::optional<no_signals> none;
  return none;
}

class outer_mask_scope {
 public:
  outer_mask_scope() noexcept {}  // NOLINT(modernize-use-equals-default)
  outer_mask_scope(const outer_mask_scope&) = delete;
  outer_mask_scope& operator=(const outer_mask_scope&) = delete;
};

}  // namespace parmap::inline PARMAP_ABI::detail
