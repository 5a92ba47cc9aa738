// SPDX-License-Identifier: MIT
// interval: a range of tasks packed into one word, and the claims a worker takes from it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

#if defined(PARMAP_MAX_ROUND) && defined(PARMAP_COMPILED)
#error "parmap: PARMAP_MAX_ROUND is for tests of the inline form; libparmap was compiled without it"
#endif

namespace parmap::inline PARMAP_ABI::detail {

// The index of a task in its round, so that a pair of indices fits into one word. Larger maps run in several rounds.
using round_index = std::uint32_t;
#ifndef PARMAP_MAX_ROUND  // a test sets a smaller one, as 2^32 tasks would take too long
#define PARMAP_MAX_ROUND 0xffff'fffe
#endif
inline constexpr std::uint64_t max_round = PARMAP_MAX_ROUND;

// [b, e), empty if b == e.
struct interval {
  round_index b{};
  round_index e{};

  [[nodiscard]] constexpr round_index size() const noexcept { return e - b; }
  [[nodiscard]] constexpr bool empty() const noexcept { return b == e; }
  friend bool operator==(const interval&, const interval&) = default;
};

constexpr std::uint64_t pack(interval s) noexcept { return std::uint64_t{s.e} << 32 | s.b; }
constexpr interval unpack(std::uint64_t word) noexcept {
  return {static_cast<round_index>(word), static_cast<round_index>(word >> 32)};
}

// Even workers take from the front, odd ones from the back, until the ends meet.
constexpr interval take(interval all, unsigned worker, round_index chunk) noexcept {
  if (chunk >= all.size()) return all;
  if (worker % 2 == 0) return {all.b, all.b + chunk};
  return {all.e - chunk, all.e};
}

// `all` without `taken`, which lies at one of its ends.
constexpr interval without(interval all, interval taken) noexcept {
  if (taken.b == all.b) return {taken.e, all.e};
  return {all.b, taken.b};
}

}  // namespace parmap::inline PARMAP_ABI::detail
