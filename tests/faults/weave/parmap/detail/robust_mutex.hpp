// SPDX-License-Identifier: MIT
// In place of the library's: a model of a robust mutex. The explorer lets nobody past "lock" while another holds it.
#pragma once

#include <parmap/detail/step.hpp>

#include <sys/types.h>

namespace weave {

void own() noexcept;
[[nodiscard]] bool owner_died() noexcept;
void make_consistent() noexcept;
void give_up() noexcept;

}  // namespace weave

namespace parmap::detail {

class robust_mutex {
 public:
  struct locked {};

  template <class Repair>
  [[nodiscard]] locked lock(pid_t /*family*/, Repair&& repair) {
    step("lock", moment::before);
    weave::own();
    if (weave::owner_died()) {
      repair();
      step("consistent", moment::before);
      weave::make_consistent();
    }
    return {};
  }
  void unlock(const locked& /*since*/) noexcept {
    step("unlock", moment::before);
    weave::give_up();
  }
};

}  // namespace parmap::detail
