// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: pages of 64 KiB, as some kernels for ARM and POWER have them.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

inline std::size_t page_size() noexcept { return 65536; }
inline std::size_t round_down_to_page(std::size_t bytes) noexcept { return bytes / page_size() * page_size(); }
inline std::size_t round_up_to_page(std::size_t bytes) noexcept { return round_down_to_page(bytes + page_size() - 1); }

}  // namespace parmap::inline PARMAP_ABI::detail
