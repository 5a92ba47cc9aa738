// SPDX-License-Identifier: MIT
// attempt_log: how a worker of an observed map tells the supervisor which tasks have ended with a value, and when.
// (Failures go by their records.) A log is a ring in shared memory, see outcome_ring.hpp; its cells hold times.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/worker_bell.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/page_size.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace parmap::inline PARMAP_ABI::detail {

// Where the logs lie: one for each worker, from a page's begin on.
class attempt_log_layout {
 public:
  // A worker that has this many tasks unread waits. A power of two.
  static constexpr std::uint64_t capacity = 1 << 12;

  static std::size_t bytes(unsigned workers) noexcept { return workers * bytes_each(); }
  // Constructs the words in zeroed memory.
  static void prepare(std::byte* memory, unsigned workers) {
    for (unsigned w = 0; w < workers; ++w) ::new (static_cast<void*>(memory + w * bytes_each())) ring_words;
  }
  [[nodiscard]] static ring_place place(std::byte* memory, unsigned w) noexcept {
    const std::size_t begin = w * bytes_each();
    return {memory, begin, begin + words_bytes(), capacity, 0, 0, {.untold = capacity / 4}};
  }

 private:
  static std::size_t words_bytes() noexcept { return round_up_to_page(sizeof(ring_words)); }
  static std::size_t bytes_each() noexcept { return words_bytes() + capacity * sizeof(ring_cell); }
};

// The worker's end.
class attempt_log {
 public:
  // `news`: the descriptor that wakes the supervisor; none if it looks from time to time.
  attempt_log(const ring_place& at, worker_words& mine, const worker_bell& bell, const shared_word<"halt">& halt,
              int news)
      : ring_(at),
        mine_(mine),
        bell_(bell),
        halt_(halt),
        news_(news) {}

  // Call before a task begins. So there is room when it ends.
  void wait_for_room() noexcept {
    if (!ring_.has_room()) sleep_until_read();
  }
  // The attempt that runs has ended, and the task has its value. Call before anybody else hears of that.
  void tell(std::uint64_t task, unsigned attempt) noexcept {
    const std::uint64_t began = mine_.started.get();
    static_cast<void>(ring_.send_short(task, ring_cell::describe(ring_cell::value, attempt), monotonic_ns() - began,
                                       {began, 0}, sizeof began));  // there is room
    if (++told_ % (attempt_log_layout::capacity / 2) == 0) wake_supervisor();
  }

 private:
  // If it cannot be woken, it looks soon: see attempt_watch::glance.
  void wake_supervisor() const noexcept { static_cast<void>(news_.wake()); }
  void sleep_until_read() noexcept {
    while (!ring_.has_room() && halt_.get() == 0) {
      const std::uint32_t seen = bell_.get();
      mine_.waiting.set(1);
      std::atomic_thread_fence(std::memory_order_seq_cst);  // one of the two sees the other's store
      wake_supervisor();
      if (!ring_.has_room() && halt_.get() == 0) bell_.wait(seen);
      mine_.waiting.set(0);
    }
  }

  ring_writer ring_;
  worker_words& mine_;
  const worker_bell& bell_;
  const shared_word<"halt">& halt_;
  event_sender news_;
  std::uint64_t told_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
