// SPDX-License-Identifier: MIT
// shared_memory where no worker shares any: an object is always empty, and results lie on the heap.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

class shared_memory {
 public:
  [[nodiscard]] static constexpr void* data() noexcept { return nullptr; }
  [[nodiscard]] static constexpr std::size_t size() noexcept { return 0; }
};

}  // namespace parmap::inline PARMAP_ABI::detail
