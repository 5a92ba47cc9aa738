// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: a model of the eventfd by which the caller of a stream is woken. The
// search lets the caller past the step "sleep" once it has been written.
#pragma once

#include <parmap/detail/config.hpp>

namespace interleavings {

void wake_caller() noexcept;

}  // namespace interleavings

namespace parmap::inline PARMAP_ABI::detail {

class event_counter {
 public:
  static void wake(int /*descriptor*/) noexcept { interleavings::wake_caller(); }
};

class event_sender {
 public:
  explicit event_sender(int descriptor) noexcept : is_there_(descriptor >= 0) {}
  [[nodiscard]] bool wake() const noexcept {
    if (is_there_) interleavings::wake_caller();
    return true;
  }

 private:
  bool is_there_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
