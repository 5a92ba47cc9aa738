// SPDX-License-Identifier: MIT
// attempt_span: when an attempt of a task ran, as processes tell each other.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// When an attempt began, by monotonic_ns(), and how long it took, in ns; 0 if that was not measured.
struct attempt_span {
  std::uint64_t began{};
  std::uint64_t took{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
