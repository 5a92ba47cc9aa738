// SPDX-License-Identifier: MIT
// deadline: when a map begins no new task any more, and when it ends those that still run.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Running tasks have a grace after the deadline: a tenth of the map's time, but no more than this.
inline constexpr std::chrono::nanoseconds longest_grace = std::chrono::seconds(30);

class deadline {
 public:
  using clock = std::chrono::steady_clock;

  // Counts from now on. None, or a time beyond the range of the clock: never.
  explicit deadline(std::optional<std::chrono::nanoseconds> time) noexcept {
    if (!time) return;
    const auto now = clock::now();
    const auto extra = std::min(*time / 10, longest_grace);
    if (*time >= clock::time_point::max() - now - extra) return;
    begin_no_more_ = now + *time;
    end_all_ = begin_no_more_ + extra;
  }

  [[nodiscard]] bool is_set() const noexcept { return begin_no_more_ != clock::time_point::max(); }
  [[nodiscard]] clock::time_point begin_no_more() const noexcept { return begin_no_more_; }
  [[nodiscard]] clock::time_point end_all() const noexcept { return end_all_; }

 private:
  clock::time_point begin_no_more_{clock::time_point::max()};
  clock::time_point end_all_{clock::time_point::max()};
};

}  // namespace parmap::inline PARMAP_ABI::detail
