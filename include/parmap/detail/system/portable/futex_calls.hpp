// SPDX-License-Identifier: MIT
// futex_wait and futex_wake in a process, by the standard library alone.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/futex_word.hpp>
#include <parmap/detail/system/portable/parking_lot.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

inline void futex_wait(const futex_word& word, std::uint32_t seen, std::chrono::nanoseconds limit) noexcept {
  parking_lot::of_this_process().park(word, seen, limit);
}
inline void futex_wake(const futex_word& word, int /*sleepers*/) noexcept {
  parking_lot::of_this_process().unpark(word);
}

}  // namespace parmap::inline PARMAP_ABI::detail
