// SPDX-License-Identifier: MIT
// release_pages on Linux.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/page_size.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// The whole pages of shared memory.
inline void release_pages(const std::byte* begin, std::size_t size) noexcept {
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const std::size_t skipped = round_up_to_page(from) - from;
  void* const first = const_cast<std::byte*>(begin) + skipped;
  static_cast<void>(::madvise(first, round_down_to_page(size - skipped), MADV_REMOVE));
}

}  // namespace parmap::inline PARMAP_ABI::detail
