// SPDX-License-Identifier: MIT
// worker_bell: wakes workers that wait because nothing could be claimed.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

namespace parmap::inline PARMAP_ABI::detail {

// A count of rings in shared memory. A worker looks at it under the lock, when it finds nothing to claim, and then
// waits until it has changed: so it misses no ring after that look.
class worker_bell {
 public:
  [[nodiscard]] std::uint32_t get() const noexcept {
    step("bell", moment::before);
    return rings_.load(std::memory_order_acquire);
  }
  // Call after what the workers are to see.
  void ring() noexcept {
    step("bell", moment::before);
    rings_.fetch_add(1, std::memory_order_acq_rel);
    step("bell", moment::after);
    futex_wake(rings_, std::numeric_limits<int>::max(), futex_scope::shared);
  }
  // A task may have written over the bell, so nobody waits for ever.
  static constexpr std::chrono::milliseconds patience{2000};

  // Returns after a ring since the bell showed `seen`, or earlier.
  void wait(std::uint32_t seen, std::chrono::milliseconds at_most = patience) const noexcept {
    step("wait", moment::before);
    futex_wait(rings_, seen, at_most, futex_scope::shared);
  }

 private:
  futex_word rings_{0};
};

}  // namespace parmap::inline PARMAP_ABI::detail
