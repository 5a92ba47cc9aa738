// SPDX-License-Identifier: MIT
// The bodies of valgrind.hpp.
#pragma once

#include <parmap/detail/system/valgrind.hpp>

#include <cstdlib>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE bool under_valgrind() noexcept {
  static const bool yes = [] {
    const char* const preloaded = std::getenv("LD_PRELOAD");
    return preloaded != nullptr && std::string_view(preloaded).find("/vgpreload_") != std::string_view::npos;
  }();
  return yes;
}

}  // namespace parmap::inline PARMAP_ABI::detail
