// SPDX-License-Identifier: MIT
// The bodies of entropy.hpp by the standard library, which asks the system: arc4random or getentropy, rand_s.
#pragma once

#include <parmap/detail/system/entropy.hpp>

#include <random>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::uint64_t random_bits() {
  std::random_device source;
  static_assert(std::random_device::min() == 0 && std::random_device::max() == 0xffff'ffff);
  const std::uint64_t high = source();
  return high << 32 | source();
}

}  // namespace parmap::inline PARMAP_ABI::detail
