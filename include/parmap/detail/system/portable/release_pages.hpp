// SPDX-License-Identifier: MIT
// release_pages where no memory is shared.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

inline void release_pages(const std::byte* /*begin*/, std::size_t /*size*/) noexcept {}

}  // namespace parmap::inline PARMAP_ABI::detail
