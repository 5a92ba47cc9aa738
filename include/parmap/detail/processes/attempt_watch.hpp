// SPDX-License-Identifier: MIT
// attempt_watch: the supervisor's side of an observed map. It reads what workers have logged, and tells the observer.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/processes/attempt_log.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/failure.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class attempt_watch {
 public:
  attempt_watch(attempt_observer& to, shared_layout& shared) : to_(to), shared_(shared), book_(shared.book()) {
    for (unsigned w = 0; w < book_.workers(); ++w) seats_.emplace_back(attempt_log_layout::place(shared.logs(), w));
  }
  attempt_watch(const attempt_watch&) = delete;
  attempt_watch& operator=(const attempt_watch&) = delete;

  // How long an event may wait until the supervisor looks.
  static constexpr std::chrono::milliseconds glance{20};

  void born(unsigned w) noexcept {
    seats_[w].waits = false;
    seats_[w].begun.number = 0;
    to_.happened_to(w, worker_event::born, attempt::clock::now());
  }
  void died(unsigned w) noexcept { to_.happened_to(w, worker_event::died, attempt::clock::now()); }

  // Tells of what has happened since the last call. `from`: the first task of the round. read_failures() reads the
  // records of failures that are new, and calls failed() for each. A value that is told now was there before the
  // records were read: so the failure of an earlier attempt is told first.
  template <class ReadFailures>
  void look(std::uint64_t from, const ReadFailures& read_failures) {
    for (unsigned w = 0; w < seats_.size(); ++w) see_what_runs(w, from);
    for (seat& each : seats_) each.unread = each.log.count();
    read_failures();
    bool waited = false;
    for (unsigned w = 0; w < seats_.size(); ++w) {
      seat& at = seats_[w];
      for (; at.unread > 0 && at.log.look(); --at.unread) tell_value(w);
      at.log.tell_all();
      tell_what_runs(w);
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);  // what was read before the look at `waiting`
    for (unsigned w = 0; w < seats_.size(); ++w) {
      const bool waits = book_.of(w).waiting.get() != 0;
      if (waits && !std::exchange(seats_[w].waits, waits))
        to_.happened_to(w, worker_event::waits, attempt::clock::now());
      seats_[w].waits = waits;
      waited = waited || waits;
    }
    if (waited) book_.ring();
  }

  // An attempt of worker w has failed, or has ended with its worker. `again`: the task will be tried again.
  void failed(unsigned w, const failure& why, attempt_span when, bool again) noexcept {
    const attempt it = at(why.index, why.attempts, w, when);
    tell_begun(it);
    seats_[w].has_failed = it;
    if (again) to_.failed(it, why);
    else to_.ended(it, {}, &why);
  }

 private:
  struct seat {
    explicit seat(const ring_place& at) : log(at) {}

    ring_reader log;
    std::uint64_t unread{};
    attempt running{.number = 0};    // in which it was seen in this look; number 0: none
    attempt begun{.number = 0};      // of which the observer knows that it has begun, and not that it has ended
    attempt has_value{.number = 0};  // the newest of which the observer knows that it has ended so
    attempt has_failed{.number = 0};
    bool waits{};
  };

  static attempt at(std::uint64_t task, unsigned number, unsigned w, attempt_span when) noexcept {
    return {task, number, w, attempt::clock::time_point(std::chrono::nanoseconds(when.began)),
            std::chrono::nanoseconds(when.took)};
  }
  static bool same(const attempt& a, const attempt& b) noexcept { return a.task == b.task && a.number == b.number; }
  // Call before it is told how this attempt has ended.
  void tell_begun(const attempt& it) noexcept {
    seat& mine = seats_[it.worker];
    if (same(mine.running, it)) mine.running.number = 0;
    if (same(mine.begun, it)) {
      mine.begun.number = 0;
      return;
    }
    attempt begun = it;
    begun.took = {};
    to_.begun(begun);
  }
  // The start is read between two looks at the position, so that it belongs to it.
  void see_what_runs(unsigned w, std::uint64_t from) noexcept {
    const worker_words& words = book_.of(w);
    seat& mine = seats_[w];
    mine.running = {.number = 0};
    const position now = unpack_position(words.cur.get());
    if (!now.running) return;
    const std::uint64_t began = words.started.get();
    if (unpack_position(words.cur.get()) != now) return;
    mine.running = at(from + now.task, now.attempts, w, {began, 0});
  }
  void tell_what_runs(unsigned w) noexcept {
    seat& mine = seats_[w];
    if (mine.running.number == 0 || same(mine.running, mine.begun)) return;
    // It tells how an attempt has ended before its words do.
    if (same(mine.running, mine.has_value) || same(mine.running, mine.has_failed)) return;
    mine.begun = mine.running;
    to_.begun(mine.begun);
  }
  void tell_value(unsigned w) {
    const ring_cell& it = seats_[w].log.cell();
    const attempt done = at(it.task, it.attempts(), w, {it.bytes[0], it.extent});
    seats_[w].log.take();
    tell_begun(done);
    seats_[w].has_value = done;
    const slot_shape shape = shared_.shape();
    std::byte* const slot = shared_.slots() + it.task * shape.bytes;
    if (shape.kind == slot_kind::value) return to_.ended(done, {.object = slot}, nullptr);
    if (shape.kind != slot_kind::encoded) return to_.ended(done, {}, nullptr);
    encoded_slot encoded;
    std::memcpy(&encoded, slot, sizeof encoded);
    try {
      byte_reader bytes = shared_.arenas().read_encoded(encoded, it.task);
      const std::size_t size = bytes.left();
      to_.ended(done, {.encoded = {bytes.read(size), size}}, nullptr);
    } catch (const bad_encoding& why) {
      const failure lost{it.task, failure_kind::unencodable, why.what(), done.number};
      to_.ended(done, {}, &lost);
    }
  }

  attempt_observer& to_;
  shared_layout& shared_;
  const claim_ledger& book_;
  std::vector<seat> seats_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
