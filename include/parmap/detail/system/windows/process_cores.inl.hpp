// SPDX-License-Identifier: MIT
// The bodies of process_cores.hpp on Windows.
#pragma once

#include <parmap/detail/system/process_cores.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE unsigned cores_of_process() {
  DWORD_PTR mine{};
  DWORD_PTR all{};
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &mine, &all) != 0 && mine != 0)
    return static_cast<unsigned>(std::popcount(static_cast<std::uint64_t>(mine)));
  // No mask is told for a process with threads in several processor groups.
  return std::max(1U, static_cast<unsigned>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)));
}

}  // namespace parmap::inline PARMAP_ABI::detail
