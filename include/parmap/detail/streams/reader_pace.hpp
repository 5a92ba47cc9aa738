// SPDX-License-Identifier: MIT
// reader_pace: how often a stream looks whether outcomes have come.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/futex.hpp>

#include <chrono>
#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

// A reader that is faster than its workers would find one outcome at each look, and take the memory that it looks at
// from their processors each time. So after a look that found few it waits a moment, if it has the patience.
class reader_pace {
 public:
  void before_look(std::chrono::nanoseconds patience) const noexcept {
    if (!found_few_ || patience <= patience.zero()) return;
    const ticks until = looked_ + to_ticks(moment);
    while (now_ticks() < until) spin_pause();
  }
  void found(std::size_t outcomes) noexcept {
    found_few_ = outcomes < few;
    if (found_few_) looked_ = now_ticks();
  }

 private:
  static constexpr std::size_t few = 32;
  static constexpr std::chrono::microseconds moment{4};

  bool found_few_{};
  ticks looked_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
