// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: a model of the bell. The search lets no worker past the step "wait"
// before the bell shows something else than the worker has seen.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <cstdint>

namespace interleavings {

void wait_for(const std::uint32_t& bell, std::uint32_t seen) noexcept;

}  // namespace interleavings

namespace parmap::inline PARMAP_ABI::detail {

class worker_bell {
 public:
  [[nodiscard]] std::uint32_t get() const noexcept {
    step("bell", moment::before);
    return rings_;
  }
  void ring() noexcept {
    step("bell", moment::before);
    ++rings_;
  }
  void wait(std::uint32_t seen) const noexcept { interleavings::wait_for(rings_, seen); }

 private:
  std::uint32_t rings_{0};
};

}  // namespace parmap::inline PARMAP_ABI::detail
