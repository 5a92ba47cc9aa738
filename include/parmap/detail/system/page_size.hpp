// SPDX-License-Identifier: MIT
// page_size: the size of a page of memory, which the kernel chooses: 4, 16 or 64 KiB.
#pragma once

#include <parmap/detail/config.hpp>

#include <unistd.h>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

inline std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

inline std::size_t round_down_to_page(std::size_t bytes) noexcept { return bytes / page_size() * page_size(); }
inline std::size_t round_up_to_page(std::size_t bytes) noexcept { return round_down_to_page(bytes + page_size() - 1); }

}  // namespace parmap::inline PARMAP_ABI::detail
