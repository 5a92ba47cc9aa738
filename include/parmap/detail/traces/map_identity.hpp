// SPDX-License-Identifier: MIT
// map_identity: what a map is, as its files say it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr std::uint64_t usual_slices = 1'000'000;  // of a trace, at most

// What stays the same while the map runs.
struct map_identity {
  std::string label{};
  std::string engine{};
  std::optional<std::uint64_t> tasks{};  // that are to run; none: unknown
  std::uint64_t stored{};                // that have an outcome from an earlier run
  std::string program{};
  std::string host{};
  int pid{};
  double began{};  // Unix time
};

}  // namespace parmap::inline PARMAP_ABI::detail
