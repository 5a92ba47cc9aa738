// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: a model of the lock. The search lets no process past the step "lock"
// while another holds it, and only the supervisor once the owner has died.
#pragma once

#include <parmap/detail/config.hpp>

#include <parmap/detail/system/protocol_step.hpp>

#include <cstdint>

namespace interleavings {

void own() noexcept;
[[nodiscard]] unsigned owner_died() noexcept;  // w + 1 for worker w, or 0
void make_consistent() noexcept;
void give_up() noexcept;

}  // namespace interleavings

namespace parmap::inline PARMAP_ABI::detail {

class robust_mutex {
 public:
  using user = std::uint32_t;
  static constexpr user supervisor = 0;

  template <class HasDied, class Repair>
  void lock(user /*self*/, user /*users*/, HasDied&& /*has_died*/, Repair&& repair) {
    step("lock", moment::before);
    interleavings::own();
    if (const user last = interleavings::owner_died(); last != 0) {
      repair(last);
      interleavings::make_consistent();
    }
  }
  void unlock(user /*self*/) noexcept {
    step("unlock", moment::before);
    interleavings::give_up();
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail
