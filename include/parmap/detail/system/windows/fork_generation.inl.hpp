// SPDX-License-Identifier: MIT
// The bodies of fork_generation.hpp on Windows, where no process is forked.
#pragma once

#include <parmap/detail/system/fork_generation.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::uint64_t fork_generation() noexcept { return 0; }

}  // namespace parmap::inline PARMAP_ABI::detail
