// SPDX-License-Identifier: MIT
// Claims that end at given boundaries: claim_blocks, of equal size, for reductions; claim_batches, for pools.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/interval.hpp>

#include <algorithm>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Block k is the tasks [k * size, (k + 1) * size) of the map.
struct claim_blocks {
  round_index size{};  // 0: there are no blocks
  bool always{};       // a claim never splits a block; else it may where that serves the balance

  // The claim `chunk` of `all`, which lies at one of its ends, made larger until it ends at a boundary. `from`: the
  // round's first task.
  [[nodiscard]] constexpr interval widened(interval chunk, interval all, std::uint64_t from) const noexcept {
    const auto behind = [&](round_index i) { return (from + i) % size; };  // how far behind a boundary
    if (chunk.b == all.b) {
      const std::uint64_t missing = behind(chunk.e) == 0 ? 0 : size - behind(chunk.e);
      return {chunk.b, static_cast<round_index>(std::min<std::uint64_t>(chunk.e + missing, all.e))};
    }
    return {chunk.b - static_cast<round_index>(std::min<std::uint64_t>(behind(chunk.b), chunk.b - all.b)), chunk.e};
  }
};

// The caller of a pool puts tasks together that are claimed together.
class claim_batches {
 public:
  claim_batches(const claim_batches&) = delete;
  claim_batches& operator=(const claim_batches&) = delete;

  // The end of the batch that has this task, at least task + 1. In a worker, which is about to claim the task.
  [[nodiscard]] virtual std::uint64_t end_of(std::uint64_t task) const noexcept = 0;

 protected:
  claim_batches() = default;
  ~claim_batches() = default;
};

}  // namespace parmap::inline PARMAP_ABI::detail
