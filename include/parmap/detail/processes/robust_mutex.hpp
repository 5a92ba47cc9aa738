// SPDX-License-Identifier: MIT
// robust_mutex: a lock in shared memory that the supervisor takes over from a worker that died holding it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// For memory that a supervisor shares with its workers. Not a pthread mutex: a task may write over it at any time, and
// glibc trusts what it reads there, and may abort or hang this process. Here every decision depends on one read of one
// word, and a word that no user can have left there is an error.
class robust_mutex {
 public:
  // The number of a user: 0 is the supervisor, w + 1 is worker w.
  using user = std::uint32_t;
  static constexpr user supervisor = 0;

  // Locks for `self`, one of `users` users. If has_died(owner), takes the lock over from the dead owner and calls
  // repair(owner) before anyone else can lock. Only the supervisor's has_died may be true, and not for a worker that
  // may be replaced at the same time. Throws std::runtime_error if the lock itself was written over.
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
  // The word is `free`, or held_by(owner), maybe with `sleepers`. A stray write is unlikely to leave such a value.
  static constexpr std::uint32_t free = 0x9a7e'c35c;
  static constexpr std::uint32_t sleepers = 1;
  static constexpr std::uint32_t held_by(user owner) noexcept { return free + 2 * (owner + 1); }
  // A sleeper looks again after this time: the owner may have died, or the process that was to wake the sleeper.
  static constexpr std::chrono::nanoseconds patience = std::chrono::milliseconds(2);

  // Returns the dead owner from which it was taken over, or self.
  template <class HasDied>
  user acquire(user self, user users, HasDied& has_died) {
    std::uint32_t mine = held_by(self);
    for (;;) {
      std::uint32_t seen = free;
      if (word_.compare_exchange_strong(seen, mine, std::memory_order_acquire)) return self;
      const user owner = (seen - free) / 2 - 1;
      if (owner >= users || owner == self) throw_overwritten("its lock has an impossible owner");
      if (has_died(owner)) {
        if (word_.compare_exchange_strong(seen, mine | (seen & sleepers), std::memory_order_acquire)) return owner;
        continue;
      }
      if (changes_soon(seen)) continue;
      const std::uint32_t asleep = seen | sleepers;
      if (seen != asleep && !word_.compare_exchange_strong(seen, asleep, std::memory_order_relaxed)) continue;
      futex_wait(word_, asleep, patience, futex_scope::shared);
      mine |= sleepers;  // others may still sleep
    }
  }

  // Spins briefly: the lock is held for less than 1 µs unless its owner is preempted.
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
