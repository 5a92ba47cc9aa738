// SPDX-License-Identifier: MIT
// The bodies of parking_lot.hpp.
#pragma once

#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/portable/parking_lot.hpp>

#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE parking_lot& parking_lot::of_this_process() {
  static std::atomic<parking_lot*> current{nullptr};
  parking_lot* found = current.load(std::memory_order_acquire);
  while (found == nullptr || found->generation_ != fork_generation()) {
    // Never destroyed: threads sleep in it until the process ends.
    auto fresh = std::make_unique<parking_lot>(fork_generation());
    if (current.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel)) found = fresh.release();
  }
  return *found;
}

PARMAP_INLINE parking_lot::group& parking_lot::group_of(const word& at) noexcept {
  constexpr std::uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;
  constexpr int bits = 6;
  static_assert(std::size_t{1} << bits == std::tuple_size_v<decltype(groups_)>);
  return groups_[reinterpret_cast<std::uintptr_t>(&at) * golden_ratio >> (64 - bits)];
}

PARMAP_INLINE void parking_lot::park(const word& at, std::uint32_t seen, std::chrono::nanoseconds limit) noexcept {
  group& here = group_of(at);
  std::unique_lock lock(here.mutex);
  if (at.load() != seen) return;
  if (limit == std::chrono::nanoseconds::max()) here.changed.wait(lock);
  else here.changed.wait_for(lock, limit);
}

PARMAP_INLINE void parking_lot::unpark(const word& at) noexcept {
  group& here = group_of(at);
  // No thread is between its look at the word and its sleep.
  {
    const std::scoped_lock lock(here.mutex);
  }
  here.changed.notify_all();
}

}  // namespace parmap::inline PARMAP_ABI::detail
