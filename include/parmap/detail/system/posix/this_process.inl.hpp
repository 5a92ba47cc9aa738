// SPDX-License-Identifier: MIT
// The bodies of this_process.hpp on Linux and macOS, without program_name.
#pragma once

#include <parmap/detail/system/this_process.hpp>

#include <unistd.h>

#include <array>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE int process_id() noexcept { return ::getpid(); }

PARMAP_INLINE std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace parmap::inline PARMAP_ABI::detail
