// SPDX-License-Identifier: MIT
// cancellation_held_back on Windows, where no thread is cancelled.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

class cancellation_held_back {
 public:
  cancellation_held_back() noexcept {}  // NOLINT(modernize-use-equals-default): no warning about an unused object
  cancellation_held_back(const cancellation_held_back&) = delete;
  cancellation_held_back& operator=(const cancellation_held_back&) = delete;

  class allowed {
   public:
    explicit allowed(const cancellation_held_back& /*by*/) noexcept {}
    allowed(const allowed&) = delete;
    allowed& operator=(const allowed&) = delete;
  };
};

}  // namespace parmap::inline PARMAP_ABI::detail
