// SPDX-License-Identifier: MIT
// nap_pacer: how long to sleep between two looks for a message, so that a wait costs no core and an answer is seen
// soon.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

// MPI's own waits spin, and would take cores from the tasks.
class nap_pacer {
 public:
  explicit nap_pacer(std::chrono::nanoseconds longest) noexcept : longest_(longest) {}

  // Something has happened.
  void reset() noexcept { nap_ = first; }
  // The next nap; each is a fourth longer than the one before.
  [[nodiscard]] std::chrono::nanoseconds next() noexcept {
    const std::chrono::nanoseconds now = nap_;
    nap_ = std::min(nap_ + nap_ / 4, longest_);
    return now;
  }
  void nap() { std::this_thread::sleep_for(next()); }

 private:
  static constexpr std::chrono::nanoseconds first = std::chrono::microseconds(20);

  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds nap_{first};
};

}  // namespace parmap::inline PARMAP_ABI::detail
