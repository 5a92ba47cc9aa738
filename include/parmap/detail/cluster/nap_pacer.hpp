// SPDX-License-Identifier: MIT
// nap_pacer: how long to sleep between two looks for a message, so that a wait costs no core and an answer is seen
// soon.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

// MPI's own waits spin, and would take cores from the tasks. So this sleeps. But at first an answer may be on its way,
// and then it only lets others have the core: a sleep of 20 us takes 70 us, as Linux's timers may be 50 us late.
class nap_pacer {
 public:
  using clock = std::chrono::steady_clock;

  explicit nap_pacer(std::chrono::nanoseconds longest,
                     std::chrono::nanoseconds awake = std::chrono::microseconds(100)) noexcept
      : longest_(longest),
        awake_(awake) {}

  // Something has happened.
  void reset() noexcept {
    nap_ = first;
    since_ = clock::now();
  }
  [[nodiscard]] bool is_awake() const noexcept { return clock::now() - since_ < awake_; }
  // The next nap; each is a fourth longer than the one before.
  [[nodiscard]] std::chrono::nanoseconds next() noexcept {
    const std::chrono::nanoseconds now = nap_;
    nap_ = std::min(nap_ + nap_ / 4, longest_);
    return now;
  }
  void nap() {
    if (is_awake()) std::this_thread::yield();
    else std::this_thread::sleep_for(next());
  }

 private:
  static constexpr std::chrono::nanoseconds first = std::chrono::microseconds(20);

  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds awake_;
  std::chrono::nanoseconds nap_{first};
  clock::time_point since_{clock::now()};
};

}  // namespace parmap::inline PARMAP_ABI::detail
