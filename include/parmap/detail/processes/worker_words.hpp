// SPDX-License-Identifier: MIT
// worker_words: the words of one worker in shared memory, and the steps by which it runs its tasks. PROTOCOL.md
// explains why no task is lost.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>

namespace parmap::inline PARMAP_ABI::detail {

// A string as a template argument.
template <std::size_t Size>
struct word_name {
  // Not explicit, so that a literal converts.
  consteval word_name(const char (&literal)[Size]) {  // NOLINT(google-explicit-constructor)
    std::copy_n(literal, Size, text);
  }
  char text[Size]{};
};

// A word in shared memory. Every store is a release and every load an acquire; every access is a step of this name.
template <word_name Name>
class shared_word {
 public:
  [[nodiscard]] std::uint64_t get() const noexcept {
    step(Name.text, moment::before);
    return word_.load(std::memory_order_acquire);
  }
  void set(std::uint64_t value) noexcept {
    step(Name.text, moment::before);
    word_.store(value, std::memory_order_release);
    step(Name.text, moment::after);
  }
  // Sets it if it is `expected`; returns what it was.
  std::uint64_t set_if(std::uint64_t expected, std::uint64_t value) noexcept {
    step(Name.text, moment::before);
    word_.compare_exchange_strong(expected, value, std::memory_order_acq_rel);
    step(Name.text, moment::after);
    return expected;
  }
  std::uint64_t add(std::uint64_t value) noexcept {
    step(Name.text, moment::before);
    const std::uint64_t old = word_.fetch_add(value, std::memory_order_acq_rel);
    step(Name.text, moment::after);
    return old;
  }

 private:
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  std::atomic<std::uint64_t> word_{};
};

// A position in a worker's open claim. Every task before `task` is finished; `task` has used up `attempts` attempts,
// the last of which may be running.
struct position {
  round_index task{};
  unsigned attempts{};
  bool running{};

  friend bool operator==(const position&, const position&) = default;
};
constexpr std::uint64_t pack(position p) noexcept {
  return std::uint64_t{p.task} << 32 | std::uint64_t{p.attempts} << 1 | (p.running ? 1U : 0U);
}
constexpr position unpack_position(std::uint64_t word) noexcept {
  return {static_cast<round_index>(word >> 32), static_cast<unsigned>(word & 0xffff'ffff) >> 1, (word & 1) != 0};
}
inline constexpr unsigned max_attempts = 0x7fff'ffff;

// How a worker left by itself. worn: its memory is used up, and a fresh worker is to continue. starved is set in
// advance: an allocation was refused, and the task may crash because of it.
enum class farewell : std::uint32_t {
  none,
  done,
  worn,
  exit,
  exit_of_unknown_status,
  quick_exit,
  pthread_exit,
  arena_full,
  unfit,
  damaged,
  starved
};

constexpr std::uint64_t pack_farewell(farewell how, int status) noexcept {
  return std::uint64_t{static_cast<std::uint32_t>(how)} << 32 | static_cast<std::uint32_t>(status);
}

// Values of go: the worker has begun; the worker has not begun and must not.
inline constexpr std::uint32_t has_begun = 3;
inline constexpr std::uint32_t is_dismissed = 4;

// Why the map was halted, so that no further task is begun.
enum class halt_reason : std::uint64_t { none, stop_requested, max_failures, no_worker, deadline };

inline std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &now));  // which every Linux has
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// A value of waiting, in a stream: until the caller has taken outcomes.
inline constexpr std::uint64_t waits_for_room = 2;

// In cache lines of its own, as one worker writes it at every task.
struct alignas(128) worker_words {
  shared_word<"claim"> claim;             // packed interval; empty: none
  shared_word<"cur"> cur;                 // packed position
  shared_word<"base"> base;               // `finished` when the open claim began
  shared_word<"finished"> finished;       // tasks of closed claims
  shared_word<"started"> started;         // CLOCK_MONOTONIC ns of the running attempt
  shared_word<"allowed"> allowed;         // of a pool: the ns that an attempt may take; 0: any time
  shared_word<"top"> top;                 // end of what the arena holds
  shared_word<"head"> head;               // the newest failure record
  shared_word<"farewell"> farewell_word;  // farewell << 32 | status
  shared_word<"waiting"> waiting;         // nonzero: it waits for the bell, waits_for_room or as it has found nothing
  shared_word<"told"> told;               // of a stream: the newest failure record that the supervisor has read
  std::atomic<std::uint32_t> go{0};       // a futex; 0: wait, 1: begin, 2: worker sleeps, 3: begun, 4: dismissed

  // An attempt begins. With `timed`, its start time is recorded.
  void begin(round_index task, unsigned attempt, bool timed) noexcept {
    if (timed) started.set(monotonic_ns());
    cur.set(pack(position{task, attempt, true}));
  }
  // The attempt is over, but the task is not.
  void give_back(round_index task, unsigned attempts) noexcept { cur.set(pack(position{task, attempts, false})); }
  // The slot of `task` is written, or its failure published.
  void end(round_index task) noexcept { cur.set(pack(position{task + 1, 0, false})); }
};

}  // namespace parmap::inline PARMAP_ABI::detail
