// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: chunks of two tasks, independent of time.
#pragma once

#include <parmap/detail/config.hpp>

#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>

#include <algorithm>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class chunk_pacer {
 public:
  explicit chunk_pacer(unsigned /*workers*/) noexcept {}
  [[nodiscard]] round_index chunk(round_index left) const noexcept { return std::min<round_index>(left, 2); }
  void bound(std::uint64_t /*most*/) noexcept {}
  void ran(round_index /*tasks*/, ticks /*spent*/) noexcept {}
};

}  // namespace parmap::inline PARMAP_ABI::detail
