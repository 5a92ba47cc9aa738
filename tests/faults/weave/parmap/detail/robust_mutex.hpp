// SPDX-License-Identifier: MIT
// In place of the library's: a model of a robust mutex. The explorer lets nobody past "lock" while another holds it.
#pragma once

#include <parmap/detail/step.hpp>

namespace weave {

void own() noexcept;
[[nodiscard]] bool owner_died() noexcept;
void make_consistent() noexcept;
void give_up() noexcept;

}  // namespace weave

namespace parmap::detail {

class robust_mutex {
 public:
  template <class Repair>
  void lock(Repair&& repair) {
    step("lock", moment::before);
    weave::own();
    if (weave::owner_died()) {
      repair();
      step("consistent", moment::before);
      weave::make_consistent();
    }
  }
  void unlock() noexcept {
    step("unlock", moment::before);
    weave::give_up();
  }
};

}  // namespace parmap::detail
