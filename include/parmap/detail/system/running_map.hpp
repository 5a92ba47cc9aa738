// SPDX-License-Identifier: MIT
// running_map: the shared memory of each map that runs in this process; a worker inherits that of its own map only.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <array>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Held by a thread that makes or gives up memory of a map, or forks a worker.
class running_maps_lock {
 public:
  running_maps_lock() noexcept;
  running_maps_lock(const running_maps_lock&) = delete;
  running_maps_lock& operator=(const running_maps_lock&) = delete;
  ~running_maps_lock();
};

class running_map {
 public:
  running_map() = default;
  running_map(const running_map&) = delete;
  running_map& operator=(const running_map&) = delete;
  ~running_map();

  // Call with the lock, which must have been held since before the memory was made.
  void enter(std::array<const shared_memory*, 2> memory) noexcept;
  // Call with the lock: memory[k] is no longer this map's, and children inherit it.
  void release(std::size_t k) noexcept;
  // Call with the lock, which must be held until the fork is over. False, with errno, if the memory cannot be given to
  // a child.
  [[nodiscard]] bool prepare_fork() noexcept;

 private:
  void withhold() noexcept;

  std::array<const shared_memory*, 2> memory_{};
  bool entered_{};
  bool withheld_{};  // from children
  running_map* next_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/running_map.inl.hpp>
#endif
