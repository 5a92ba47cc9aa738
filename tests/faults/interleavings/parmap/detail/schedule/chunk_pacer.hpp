// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: chunks of two tasks, independent of time.
#pragma once

#include <parmap/detail/config.hpp>

#include <parmap/detail/schedule/claim_blocks.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>

#include <algorithm>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class chunk_pacer {
 public:
  explicit chunk_pacer(unsigned /*workers*/) noexcept {}
  [[nodiscard]] round_index chunk(round_index left) const noexcept { return std::min<round_index>(left, 2); }
  [[nodiscard]] interval claim(interval all, unsigned worker) const noexcept {
    return take(all, worker, chunk(all.size()));
  }
  void keep_blocks(claim_blocks /*blocks*/, std::uint64_t /*from*/) noexcept {}
  void keep_batches(const claim_batches* /*batches*/) noexcept {}
  void bound(std::uint64_t /*most*/) noexcept {}
  void ran(round_index /*tasks*/, ticks /*spent*/) noexcept {}
};

}  // namespace parmap::inline PARMAP_ABI::detail
