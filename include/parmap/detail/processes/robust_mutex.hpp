// SPDX-License-Identifier: MIT
// A lock in shared memory that a supervisor inherits from a worker that died inside.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Lives in memory that a supervisor shares with its workers. Not a pthread mutex: a task may write over it at any time,
// and glibc believes what it reads there, up to aborting or hanging this process. Here every decision is made on one
// read of one word, and a word that nobody can have left there is an error.
class robust_mutex {
 public:
  // Who uses it: worker w is w + 1.
  using user = std::uint32_t;
  static constexpr user supervisor = 0;

  // Locks, in `self`, one of `users`. If has_died(owner) says that the owner died inside, calls repair(owner) before
  // anybody else gets in; only the supervisor may say so, and not of a worker that may be replaced at the same time.
  // Throws std::runtime_error where the lock itself has been written over.
  template <class HasDied, class Repair>
  void lock(user self, user users, HasDied&& has_died, Repair&& repair) {
    step("lock", moment::before);
    const user last = acquire(self, users, has_died);
    step("lock", moment::after);
    if (last != self) repair(last);
  }

  void unlock(user self) noexcept {
    step("unlock", moment::before);
    const std::uint32_t was = word_.exchange(free, std::memory_order_release);
    step("unlock", moment::after);
    if (was != held_by(self)) futex_wake(word_, 1, futex_scope::shared);
  }

 private:
  // free, or held_by(owner), perhaps with `sleepers`. Far from what a stray write is likely to leave.
  static constexpr std::uint32_t free = 0x9a7e'c35c;
  static constexpr std::uint32_t sleepers = 1;
  static constexpr std::uint32_t held_by(user owner) noexcept { return free + 2 * (owner + 1); }
  // Who sleeps looks again after so long: the owner may have died, or the one that was to wake it.
  static constexpr std::chrono::nanoseconds patience = std::chrono::milliseconds(2);

  // The owner it was inherited from, or self.
  template <class HasDied>
  user acquire(user self, user users, HasDied& has_died) {
    std::uint32_t mine = held_by(self);
    for (;;) {
      std::uint32_t seen = free;
      if (word_.compare_exchange_strong(seen, mine, std::memory_order_acquire)) return self;
      const user owner = (seen - free) / 2 - 1;
      if (owner >= users || owner == self) throw_overwritten("its lock cannot be had");
      if (has_died(owner)) {
        if (word_.compare_exchange_strong(seen, mine | (seen & sleepers), std::memory_order_acquire)) return owner;
        continue;
      }
      if (changes_soon(seen)) continue;
      const std::uint32_t asleep = seen | sleepers;
      if (seen != asleep && !word_.compare_exchange_strong(seen, asleep, std::memory_order_relaxed)) continue;
      futex_wait(word_, asleep, patience, futex_scope::shared);
      mine |= sleepers;  // others may sleep yet
    }
  }

  // It is held for less than a microsecond, unless its owner is preempted.
  [[nodiscard]] bool changes_soon(std::uint32_t seen) const noexcept {
    for (int k = 0; k < 100; ++k) {
      spin_pause();
      if (word_.load(std::memory_order_relaxed) != seen) return true;
    }
    return false;
  }

  futex_word word_{free};
};

}  // namespace parmap::inline PARMAP_ABI::detail
