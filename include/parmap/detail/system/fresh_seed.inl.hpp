// SPDX-License-Identifier: MIT
// The bodies of fresh_seed.hpp.
#pragma once

#include <parmap/detail/system/entropy.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/fresh_seed.hpp>

#include <atomic>

namespace parmap::inline PARMAP_ABI::detail {

// A counter with a random start, put through the finaliser of splitmix64 (Steele, Lea, Flood 2014). This is a
// bijection, so no seed repeats in a process. A forked child draws a new start.
PARMAP_INLINE std::uint64_t fresh_seed() {
  static std::atomic<std::uint64_t> counter{random_bits()};
  static std::atomic<std::uint64_t> drawn_in{fork_generation()};
  if (const std::uint64_t here = fork_generation(); drawn_in.load(std::memory_order_acquire) != here) {
    counter.store(random_bits(), std::memory_order_relaxed);
    drawn_in.store(here, std::memory_order_release);
  }
  std::uint64_t z = counter.fetch_add(0x9e37'79b9'7f4a'7c15, std::memory_order_relaxed);
  z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
  z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
  return z ^ z >> 31;
}

}  // namespace parmap::inline PARMAP_ABI::detail
