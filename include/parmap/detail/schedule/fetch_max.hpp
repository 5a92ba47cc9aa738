// SPDX-License-Identifier: MIT
// fetch_max: makes an atomic number at least as large as another one; std::atomic has it from C++26 on.
#pragma once

#include <parmap/detail/config.hpp>

#include <atomic>

namespace parmap::inline PARMAP_ABI::detail {

// Returns what it was before. Orders nothing.
inline unsigned fetch_max(std::atomic<unsigned>& it, unsigned value) noexcept {
  unsigned seen = it.load(std::memory_order_relaxed);
  while (seen < value && !it.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
  return seen;
}

}  // namespace parmap::inline PARMAP_ABI::detail
