// SPDX-License-Identifier: MIT
// program_name on Linux.
#pragma once

#include <parmap/detail/system/this_process.hpp>

#include <cerrno>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string program_name() { return ::program_invocation_short_name; }

}  // namespace parmap::inline PARMAP_ABI::detail
