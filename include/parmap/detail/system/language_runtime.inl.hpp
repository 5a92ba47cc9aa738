// SPDX-License-Identifier: MIT
// The bodies of language_runtime.hpp.
#pragma once

#include <parmap/detail/system/language_runtime.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE language_runtime*& language_runtime::installed() noexcept {
  static constinit language_runtime none{};
  static constinit language_runtime* current = &none;
  return current;
}

}  // namespace parmap::inline PARMAP_ABI::detail
