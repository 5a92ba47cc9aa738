// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: a model of the bell. The search lets no worker past the step "wait"
// before the bell has been rung since the worker looked at it. How often it was rung does not matter: so it is not
// counted, and fewer states differ.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <chrono>
#include <cstdint>

namespace interleavings {

void look_at_bell() noexcept;
void ring_bell() noexcept;
void wait_for_bell() noexcept;

}  // namespace interleavings

namespace parmap::inline PARMAP_ABI::detail {

class worker_bell {
 public:
  [[nodiscard]] std::uint32_t get() const noexcept {
    step("bell", moment::before);
    interleavings::look_at_bell();
    return 0;
  }
  void ring() noexcept {
    step("bell", moment::before);
    interleavings::ring_bell();
  }
  static constexpr std::chrono::milliseconds patience{2000};

  void wait(std::uint32_t /*seen*/, std::chrono::milliseconds /*at_most*/ = patience) const noexcept {
    interleavings::wait_for_bell();
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail
