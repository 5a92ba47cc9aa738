// SPDX-License-Identifier: MIT
// The bodies of running_map.hpp.
#pragma once

#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/running_map.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A forked process finds the words of its parent, whose maps do not run there and whose threads hold no lock there. So
// each word says of which generation it is.
struct running_maps {
  static inline std::atomic<std::uint64_t> holder{0};  // of the lock: its fork_generation() plus one; 0: nobody
  static inline std::uint64_t generation{0};           // of `first`
  static inline running_map* first{nullptr};
};

PARMAP_INLINE running_maps_lock::running_maps_lock() noexcept {
  const std::uint64_t mine = fork_generation() + 1;
  for (std::uint64_t seen = running_maps::holder.load(std::memory_order_relaxed);;) {
    if (seen == mine) {
      static_cast<void>(::poll(nullptr, 0, 1));  // as long as a fork takes
      seen = running_maps::holder.load(std::memory_order_relaxed);
    } else if (running_maps::holder.compare_exchange_weak(seen, mine, std::memory_order_acquire)) {
      break;
    }
  }
  if (std::exchange(running_maps::generation, mine) != mine) running_maps::first = nullptr;
}

PARMAP_INLINE running_maps_lock::~running_maps_lock() { running_maps::holder.store(0, std::memory_order_release); }

PARMAP_INLINE running_map::~running_map() {
  if (!entered_) return;
  const running_maps_lock lock;
  for (running_map** at = &running_maps::first; *at != nullptr; at = &(*at)->next_)
    if (*at == this) {
      *at = next_;
      return;
    }
}

PARMAP_INLINE void running_map::enter(std::array<const shared_memory*, 2> memory) noexcept {
  entered_ = true;
  memory_ = memory;
  next_ = std::exchange(running_maps::first, this);
}

PARMAP_INLINE void running_map::release(std::size_t k) noexcept {
  if (const shared_memory* const given = std::exchange(memory_[k], nullptr); withheld_ && given != nullptr)
    static_cast<void>(given->give_to_children());  // else only this process can read it
}

PARMAP_INLINE void running_map::withhold() noexcept {
  withheld_ = true;
  for (const shared_memory* const each : memory_)
    if (each != nullptr) static_cast<void>(each->keep_from_children());  // a sandbox may refuse it
}

PARMAP_INLINE bool running_map::prepare_fork() noexcept {
  for (running_map* other = running_maps::first; other != nullptr; other = other->next_)
    if (other != this && !other->withheld_) other->withhold();
  if (!std::exchange(withheld_, false)) return true;
  return std::ranges::all_of(memory_,
                             [](const shared_memory* each) { return each == nullptr || each->give_to_children(); });
}

}  // namespace parmap::inline PARMAP_ABI::detail
