// SPDX-License-Identifier: MIT
// The bodies of trace_path.hpp.
#pragma once

#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/detail/system/this_process.hpp>
#include <parmap/detail/traces/trace_path.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE const std::string& trace_folder() {
  static const std::string folder = [] {
    const char* const value = std::getenv("PARMAP_TRACE");
    return std::string(value == nullptr ? "" : value);
  }();
  return folder;
}

PARMAP_INLINE std::string new_trace_in(const std::string& folder) {
  static std::atomic<std::uint64_t> count{0};
  constexpr std::uint64_t most = 1000;
  if (inside_worker()) return {};
  const std::uint64_t number = count.fetch_add(1, std::memory_order_relaxed);
  if (number >= most) return {};
  return folder + '/' + program_name() + '-' + std::to_string(process_id()) + '-' + std::to_string(number) + ".json";
}

}  // namespace parmap::inline PARMAP_ABI::detail
