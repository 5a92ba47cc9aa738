// SPDX-License-Identifier: MIT
// stream_outlet: how a worker of a stream sends the values of its tasks to the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/ring_heap.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/worker_bell.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/event_counter.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace parmap::inline PARMAP_ABI::detail {

// Wakes the caller if it sleeps. Call when something has been published. A processor may show the caller's note that it
// sleeps later than what it looked at before; so the caller looks once more, a moment after it has gone to sleep. False
// if it sleeps and cannot be woken.
[[nodiscard]] inline bool wake_caller(stream_words& words, const event_sender& arrivals) noexcept {
  if (words.asleep.get() == 0) return true;
  words.asleep.set(0);
  return arrivals.wake();
}

class stream_outlet {
 public:
  // `arrivals`: the descriptor that wakes the caller; `news`: the supervisor. `measures`: take the time of each task.
  stream_outlet(const ring_place& at, stream_words& words, worker_words& mine, const worker_bell& bell,
                const shared_word<"halt">& halt, int arrivals, int news, bool measures)
      : ring_(at),
        words_(words),
        mine_(mine),
        bell_(bell),
        halt_(halt),
        arrivals_(arrivals),
        news_(news),
        measures_(measures) {}

  // Call before a task begins. If much waits unread, waits until the caller has taken some of it. So one that reads
  // slowly does not fill the memory where results turn out larger than before.
  void wait_for_room() noexcept {
    if (is_mute_) leave_mute();
    if (ring_.has_much_unread()) sleep_until_taken();
    if (ring_.has_large()) static_cast<void>(ring_.give_back_unused());
    if (measures_) begun_ = now_ticks();
  }
  // How long the worker may sleep when it has nothing to do: then memory of large values goes back to the system.
  [[nodiscard]] std::chrono::milliseconds patience() {
    return ring_.has_large() && ring_.give_back_unused() ? ring_heap::moment : worker_bell::patience;
  }
  // Sends a value, see ring_writer. Throws what write throws.
  template <class Write>
  void send(std::uint64_t task, unsigned attempts, const Write& write) {
    if (!ring_.send(task, ring_cell::describe(ring_cell::value, attempts), spent(), write)) leave_damaged();
    tell();
  }
  // Sends a value that is no more than its bytes.
  template <class Value>
    requires(sizeof(Value) <= ring_cell::longest_here)
  void send_plain(std::uint64_t task, unsigned attempts, const Value& value) noexcept {
    std::array<std::uint64_t, 2> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    if (!ring_.send_short(task, ring_cell::describe(ring_cell::value, attempts), spent(), bytes, sizeof value))
      leave_damaged();
    tell();
  }
  // Tells that the task was not run, as nobody wants its outcome any more.
  void send_stopped(std::uint64_t task) noexcept {
    if (!ring_.send_short(task, ring_cell::describe(ring_cell::stopped, 0), 0, {}, 0)) leave_damaged();
    tell();
  }
  // The value that was sent last takes so many bytes elsewhere, in memory of a language runtime, until it is taken.
  void note_bytes_elsewhere(std::size_t bytes) { ring_.note_bytes_elsewhere(bytes); }

  // Of a pool: tasks with a limit are about to begin. Call when the claim and the limit can be seen.
  void tell_of_limit() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // the supervisor sees them, or this sees that it dozes
    if (words_.dozing.get() == 0) return;
    words_.dozing.set(0);
    if (!news_.wake()) is_mute_ = true;
  }
  // Whether somebody could not be woken, as a task has closed the descriptor: then the worker is to leave. Its death
  // wakes both.
  [[nodiscard]] bool is_mute() const noexcept { return is_mute_; }

 private:
  void tell() noexcept {
    if (!wake_caller(words_, arrivals_)) is_mute_ = true;
  }
  // Between two tasks; recovery hands back the rest of the claim.
  [[noreturn]] PARMAP_API static void leave_mute() noexcept;
  [[nodiscard]] ticks spent() const noexcept { return measures_ ? now_ticks() - begun_ : 0; }
  // The ring has no cell, though no more tasks begin than it has: memory was written over.
  [[noreturn]] PARMAP_API static void leave_damaged() noexcept;
  [[gnu::noinline]] void sleep_until_taken() noexcept {
    while (ring_.has_much_unread() && halt_.get() == 0) {
      const std::uint32_t seen = bell_.get();
      mine_.waiting.set(waits_for_room);
      std::atomic_thread_fence(std::memory_order_seq_cst);  // as in wake_workers: one of the two sees the other's store
      if (ring_.has_much_unread() && halt_.get() == 0) bell_.wait(seen);
      mine_.waiting.set(0);
    }
    tell_of_limit();
  }

  ring_writer ring_;
  stream_words& words_;
  worker_words& mine_;
  const worker_bell& bell_;
  const shared_word<"halt">& halt_;
  event_sender arrivals_;
  event_sender news_;
  bool measures_;
  bool is_mute_{};
  ticks begun_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
