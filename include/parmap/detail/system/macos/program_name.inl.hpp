// SPDX-License-Identifier: MIT
// program_name on macOS.
#pragma once

#include <parmap/detail/system/this_process.hpp>

#include <cstdlib>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string program_name() {
  const char* const name = ::getprogname();
  return name != nullptr ? name : "";
}

}  // namespace parmap::inline PARMAP_ABI::detail
