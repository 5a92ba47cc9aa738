// SPDX-License-Identifier: MIT
// A small map on the library's own ledger, worker, records and slots: what its processes do, and a record of what
// really happened. One file, as what a process does and what is noted of it change together; stream_model.hpp has what
// only streams have.
#pragma once

#include "fiber.hpp"
#include "plan.hpp"

#include <parmap/codec.hpp>
#include <parmap/context.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/processes/worker_process.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace interleavings {

using namespace parmap::detail;
using parmap::detail::interval;

inline constexpr unsigned most_tasks = 8;
inline constexpr unsigned none = 0xff;

// What really happened, independent of the ledger's words, and the state that the library does not model.
struct truth {
  unsigned owner;  // of the lock
  unsigned owner_died;
  unsigned deaths;    // how many may still happen
  unsigned refusals;  // how many may still happen
  unsigned halt_left;
  unsigned looks_left;
  unsigned employed;    // a bit for each worker that the supervisor takes to be alive
  unsigned hiring;      // the worker it is forking
  unsigned recovering;  // the dead worker it is recovering
  unsigned over;        // the supervisor has returned
  unsigned thrown;      // the map ends with an exception: no worker could be forked and nothing was done
  std::array<unsigned, most_workers> inside;   // the task whose body the worker has begun, until cur passes it
  std::array<unsigned, most_tasks> begun;      // attempts
  unsigned done, failed, blamed;               // a bit for each task
  unsigned pending;                            // a bit for each task that is postponed and in no left-over yet
  unsigned records;                            // failures published of attempts that were not the last
  unsigned news;                               // a worker has told the supervisor
  unsigned list;                               // what the supervisor has postponed: a bit for each task
  unsigned no_place;                           // for a postponed task that is due
  unsigned timer;                              // the supervisor has woken because a task is due
  std::array<unsigned, most_workers> seen;     // how many of the worker's failures the supervisor has read
  std::array<unsigned, most_workers> asleep;   // whether a worker waits for the bell
  unsigned heard;                              // a bit for each worker that has looked at the bell since it was rung
  unsigned event;                              // somebody has woken the caller of a stream
  std::array<unsigned, most_workers> seen_of;  // the newest failure of a stream's worker that the supervisor has read
  unsigned bound_seen;                         // the supervisor knows where an endless axis ends
  unsigned arrived;                            // a bit for each task whose outcome the caller has taken
  unsigned drained;                            // the supervisor of a stream has taken away what is unclaimed
  unsigned stopped;                            // a bit for each task that the supervisor has said to be stopped
  unsigned read;                               // the caller has seen the end
  unsigned to_blame, to_blame_after;           // by PROTOCOL.md, for the current death: task or none, and its attempts
};
static_assert(std::has_unique_object_representations_v<truth>);  // no padding: the search compares its bytes

constexpr unsigned set_of(interval s) noexcept { return s.b < s.e ? (1U << s.e) - (1U << s.b) : 0; }

inline plan now_planned;
inline truth now;
inline unsigned answer = 0;  // given to the process that goes on: 0 if the fork or body it is at succeeds
inline const char* bad = nullptr;
inline unsigned sighted = 0;  // events seen in any state so far, a bit for each
enum sight : unsigned {
  repaired = 1,
  handed_back = 2,
  retried = 4,
  blame = 8,
  published = 16,
  unclaimed = 32,
  looked = 64,
  postponed = 128,
  put_back = 256,
  waited = 512,
  sent = 1024,          // a failure, by the supervisor
  slept = 4096,         // the caller of a stream
  sent_and_died = 2048  // a worker, between the outcome and cur
};

inline void require(bool what, const char* otherwise) noexcept {
  if (!what && bad == nullptr) bad = otherwise;
}

// ---- Functions that the replacement headers of the library call.

inline void own() noexcept {
  require(now.owner == nobody, "two hold the lock");
  now.owner = running;
}
inline unsigned owner_died() noexcept {
  if (now.owner_died != 0) sighted |= repaired;
  return now.owner_died;
}
inline void make_consistent() noexcept { now.owner_died = 0; }
inline void give_up() noexcept {
  require(now.owner == running, "unlocked by another");
  require(now.owner_died == 0, "unlocked without being consistent");
  now.owner = nobody;
}

// The caller looks at all rings in one step: who finds each of them empty, one after the other, would have at the first
// look, too.
inline bool looks_on = false;
// Whether another process may write the word meanwhile.
inline bool matters_in_stream(const char* name) noexcept {
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  if (running == caller)
    return is("tail") ? !std::exchange(looks_on, true) : (is("state") && !looks_on) || is("waiting");
  if (running == supervisor)
    return is("asleep") || is("bound") || is("limit") ||
           (is("head") && now_planned.throwing != 0 && now.recovering == nobody);
  return is("limit") || is("asleep") || is("taken") || is("told");
}
inline void wake_caller() noexcept {
  give_way("wake");
  now.event = 1;
}

// A load is a reason to switch only if another process may write the word, which is `halt` where it can be set. Every
// other word that a worker loads is its own or is written only under the lock; check_step verifies that at every write.
inline void arrive(const char* name, touch what) noexcept {
  if (running == nobody) return;
  if (what == touch::look) {
    const bool locked = std::strcmp(name, "range") == 0 || std::strncmp(name, "left_", 5) == 0;
    const bool halting = now_planned.may_halt() && std::strcmp(name, "halt") == 0;
    const bool waiting = std::strcmp(name, "stay") == 0 || std::strcmp(name, "bell") == 0;
    require(!locked || now.owner == running, "looks at a word of the lock without holding it");
    if (!halting && !waiting && !(now_planned.window != 0 && matters_in_stream(name))) return;
  }
  give_way(name);
  if (std::strcmp(name, "news") == 0) now.news = 1;
}
inline void look_at_bell() noexcept {
  if (running < supervisor) now.heard |= 1U << running;
}
inline void ring_bell() noexcept { now.heard = 0; }
inline void wait_for_bell() noexcept {
  now.asleep[running] = 1;
  sighted |= waited;
  give_way("wait");
  now.asleep[running] = 0;
}

// ---- The ledger's words, with direct access.

// Explicit instantiation may name a private member.
template <auto Common>
struct reveal {
  friend const common_words& common_of(const claim_ledger& book) { return *(book.*Common); }
};
const common_words& common_of(const claim_ledger& book);
template struct reveal<&claim_ledger::common_>;

struct words {
  struct of_worker {
    std::uint64_t claim, cur, base, finished, top, head, farewell, tail;
    friend bool operator==(const of_worker&, const of_worker&) = default;
  };
  std::uint64_t range, halt, failures, limit, asleep, state, own_tail;
  std::array<std::uint64_t, most_workers> told, taken;
  std::array<std::uint64_t, std::size_t{2} * most_workers> left, left_attempts;
  std::array<of_worker, most_workers> of;
};

// Those of deaths, and behind them those for postponed tasks.
inline unsigned left_overs() noexcept { return now_planned.workers * (now_planned.postpones != 0 ? 2 : 1); }

inline words look(const claim_ledger& book) noexcept {
  words seen{};
  seen.range = common_of(book).range.get();
  seen.halt = book.halted() ? 1 : 0;
  seen.failures = book.failures();
  seen.limit = book.limit();
  const auto* const left = reinterpret_cast<left_over_words*>(&book.of(book.workers()));  // as claim_ledger does
  for (unsigned w = 0; w < book.workers(); ++w) {
    const worker_words& one = book.of(w);
    seen.of[w] = {one.claim.get(), one.cur.get(),  one.base.get(),          one.finished.get(),
                  one.top.get(),   one.head.get(), one.farewell_word.get(), 0};
    seen.told[w] = one.told.get();
  }
  for (unsigned j = 0; j < left_overs(); ++j) {
    seen.left[j] = left[j].span.get();
    seen.left_attempts[j] = left[j].attempts.get();
  }
  return seen;
}

// ---- The map.

// Each attempt has its own value, so that the value of one attempt cannot pass for another's. Strings lie alternately
// in an arena and in their slot.
template <class T>
T value_of(unsigned task, unsigned attempt) {
  if constexpr (std::is_same_v<T, std::string>)
    return std::to_string(task) + (task % 2 == 0 ? std::string(16, '/') : "/") + std::to_string(attempt);
  else return T{task * 100 + attempt};
}

// The body of task i. It runs in the process `running`.
template <class T>
T body(claim_ledger& book, unsigned i) {
  const unsigned w = running;
  const position said = unpack_position(book.of(w).cur.get());
  require(said.running && said.task == i, "a body runs that cur does not tell of");
  require(said.attempts == now.begun[i] + 1, "attempts are not consecutive");
  require(said.attempts <= now_planned.retries + 1, "a task runs once too often");
  require(((now.done | now.failed | now.blamed) >> i & 1) == 0, "a task runs that is over");
  require(now.owner != w, "a body runs under the lock");
  if (++now.begun[i] > 1) sighted |= retried;
  now.inside[w] = i;
  now.heard &= ~(1U << w);  // it looks again before it waits
  give_way("body");
  if (answer != 0 && now_planned.worn != 0) throw std::bad_alloc();
  if (answer != 0) throw static_cast<int>(i);
  return value_of<T>(i, now.begun[i]);
}

template <class T>
struct body_calls {
  using result = T;
  static constexpr bool takes_context = false;

  [[nodiscard]] std::uint64_t size() const noexcept { return now_planned.tasks; }
  template <class Step>
  void for_each(std::uint64_t b, std::uint64_t e, parmap::context&, Step&& each) const {
    for (std::uint64_t i = b; i < e; ++i)
      if (!each(i, [this, i] { return body<T>(*book, static_cast<unsigned>(i)); })) return;
  }
  claim_ledger* book;
};

// Everything that multi_run lays out before its first fork.
class any_map {
 public:
  any_map(const plan& chosen, std::size_t arenas_begin)
      : arenas_begin_((arenas_begin + 15) / 16 * 16),  // worker_arenas aligns them the same way
        memory_(arenas_begin_ + chosen.workers * arena),
        book_(memory_.data(), {.workers = chosen.workers,
                               .max_failures = chosen.max_failures != 0 ? chosen.max_failures
                                                                        : std::numeric_limits<std::uint64_t>::max(),
                               .retries = chosen.retries,
                               .postpones = chosen.postpones != 0,
                               .streams = chosen.window != 0}),
        arenas_(memory_, book_, arenas_begin_, memory_.size(), chosen.tasks) {
    book_.begin_round(chosen.tasks + (chosen.endless != 0 ? 2 : 0));
  }
  any_map(const any_map&) = delete;
  any_map& operator=(const any_map&) = delete;
  virtual ~any_map() = default;

  virtual void work(unsigned w) = 0;
  // Returns whether the slot of task i, or the newest outcome of worker w, holds what its last attempt returned.
  [[nodiscard]] virtual bool right(unsigned w, unsigned i) = 0;
  // Of a stream: whether the newest outcome of worker w is that of task i.
  [[nodiscard]] virtual bool has_sent(unsigned /*w*/, unsigned /*i*/) const { return false; }
  [[nodiscard]] bool is_published(unsigned w, unsigned i, unsigned attempt) const {
    return arenas_.newest_is(w, i, attempt) || has_sent(w, i);
  }
  // The words of a stream.
  virtual void look_at_stream(words& /*seen*/) const {}
  // The tasks whose outcomes lie in rings and have not been taken; `twice` if one has two.
  [[nodiscard]] virtual unsigned unread(bool& /*twice*/) const { return 0; }
  // The caller of a stream.
  virtual void read() {}

  struct area {
    void* at;
    std::size_t size;
  };
  // All memory that processes share. Of an arena, only the part that a few results and failures can use.
  [[nodiscard]] virtual std::vector<area> shared() const {
    std::vector<area> all{{&now, sizeof now}, {memory_.data(), arenas_begin_}};
    if (arenas_are_used())
      for (unsigned w = 0; w < now_planned.workers; ++w) {
        all.push_back({memory_.bytes() + arenas_begin_ + w * arena, arena_used});
        if (now_planned.window != 0)
          all.push_back({memory_.bytes() + arenas_begin_ + w * arena + arena / 2, arena_used});
      }
    return all;
  }
  [[nodiscard]] bool arena_suffices(unsigned w) const {
    const std::size_t top = book_.of(w).top.get() - (arenas_begin_ + w * arena);
    const bool second = now_planned.window != 0 && top >= arena / 2;
    return top - (second ? arena / 2 : 0) <= (arenas_are_used() ? arena_used : 0);
  }

  [[nodiscard]] claim_ledger& book() noexcept { return book_; }
  [[nodiscard]] worker_arenas& arenas() noexcept { return arenas_; }

  // Repeats supervisor.hpp's order of calls, without system calls: run_round, hire, bury, hire_with_patience, give_up.
  // Births are not modelled, so no worker is dismissed before its birth ends: that equals a death before its first
  // step.
  void supervise() {
    unsigned& alive = now.employed;
    bool begun = false;
    bool refused = false;
    const auto hire = [&](unsigned w) {
      book_.prepare(w);
      now.hiring = w;
      give_way("fork");
      if (answer != 0) {
        refused = true;
        return false;
      }
      begun = true;
      alive |= 1U << w;
      return true;
    };
    const auto bury = [&](unsigned w) {
      alive &= ~(1U << w);
      const auto said = static_cast<farewell>(book_.of(w).farewell_word.get() >> 32);
      if (said == farewell::damaged) throw_overwritten("a worker could not get its lock");
      now.recovering = w;
      const claim_ledger::death what =
          book_.recover(w, [&](round_index task, unsigned attempt) { return is_sent(w, task, attempt); });
      require((what.blamed || what.postponed) == (now.to_blame != none), "recovery does not tell whether it blames");
      require((!what.blamed && !what.postponed) || (what.task == now.to_blame && what.attempts == now.to_blame_after),
              "recovery does not tell whom it blames");
      now.recovering = nobody;
      now.to_blame = none;
      if (what.blamed) add_failure(what.task, what.attempts, parmap::failure_kind::crashed);
      if (what.blamed) book_.count_failure();
      if (now_planned.window != 0) book_.halt_at_limit();
      if (what.postponed) now.list |= 1U << what.task;
      const bool left_in_order = !what.in_task && said == farewell::done;
      if (!book_.halted() && book_.anything_unclaimed() && !left_in_order) hire(w);
    };
    const auto hire_with_patience = [&] {
      for (unsigned k = 0; k < plan::tries; ++k)
        if (hire(0)) return true;
      return false;
    };

    const auto only_postponed_are_left = [&] {
      return now.list != 0 && !book_.halted() && !book_.anything_unclaimed();
    };
    // Once for all that were put.
    const auto hire_one_more = [&] {
      for (unsigned w = 0; w < now_planned.workers; ++w)
        if ((alive >> w & 1) != 0 && now.asleep[w] != 0) return;
      for (unsigned w = 0; w < now_planned.workers; ++w)
        if ((alive >> w & 1) == 0) {
          hire(w);
          return;
        }
    };

    for (unsigned w = 0; w < now_planned.workers && !book_.halted(); ++w)
      if (!hire(w)) break;
    now.seen_of.fill(~0U);
    if (alive == 0 && refused && !begun) {
      now.thrown = 1;
      return;
    }
    for (;;) {
      while (alive != 0 || only_postponed_are_left()) {
        give_way("poll");
        unsigned dead = 0;
        for (unsigned w = 0; w < now_planned.workers; ++w)
          if (!fibers[w].head.alive) dead |= 1U << w;
        dead &= alive;
        now.timer = dead == 0 && now.news == 0 && now_planned.postpones != 0 ? 1 : 0;
        const bool has_news = dead != 0 || now.news != 0;
        if (dead == 0 && now_planned.looks != 0) look_at_what_has_ended();
        for (unsigned w = 0; w < now_planned.workers; ++w)
          if ((dead >> w & 1) != 0) bury(w);
        if (now_planned.window != 0 && has_news) look_at_stream_news();
        if (now_planned.postpones != 0 && look_at_news()) hire_one_more();
      }
      look_at_failed_attempts();
      if (now_planned.window != 0) send_failures();
      if (only_postponed_are_left()) continue;
      if (book_.halted() || !book_.anything_unclaimed()) return;
      if (!hire_with_patience()) {
        if (book_.finished() == 0 && now.blamed == 0) now.thrown = 1;
        else book_.halt(halt_reason::no_worker);
        return;
      }
    }
  }

  // As supervisor.hpp and stream_supervision.hpp.
  void look_at_stream_news() {
    look_at_bound();
    now.news = 0;
    const bool idle = book_.idle();
    send_failures();
    if (idle) book_.dismiss();
  }
  void send_failures() {
    for (unsigned w = 0; w < now_planned.workers; ++w) {
      std::uint64_t seen = now.seen_of[w] == ~0U ? worker_arenas::nothing_seen : now.seen_of[w];
      arenas_.for_each_new_failure(w, seen, [&](const parmap::failure& why) {
        add_failure(static_cast<unsigned>(why.index), why.attempts, why.kind);
        sighted |= sent;
      });
      now.seen_of[w] = static_cast<unsigned>(seen);
    }
  }
  // After supervise().
  virtual void finish() {}
  virtual void look_at_bound() {}
  virtual void add_failure(unsigned /*task*/, unsigned /*attempts*/, parmap::failure_kind /*kind*/) {}
  virtual bool is_sent(unsigned w, unsigned task, unsigned attempt) { return arenas_.newest_is(w, task, attempt); }

  // As supervisor.hpp. Of the postponed tasks none or all are due.
  // Returns whether it has put a task.
  bool look_at_news() {
    bool has_put = false;
    now.news = 0;
    const bool idle = book_.idle();
    look_at_failed_attempts();
    bool due = now.list != 0;
    if (due) {
      give_way("due");
      due = answer == 0;
    }
    now.timer = 0;
    now.no_place = 0;
    for (unsigned i = 0; i < now_planned.tasks && due && now.no_place == 0 && !book_.halted(); ++i)
      if ((now.list >> i & 1) != 0) {
        now.no_place = book_.put(i, now.begun[i]) ? 0 : 1;
        if (now.no_place == 0) now.list &= ~(1U << i);
        has_put |= now.no_place == 0;
        sighted |= put_back;
      }
    if (idle && now.list == 0) book_.dismiss();
    return has_put;
  }
  void look_at_failed_attempts() {
    for (unsigned w = 0; w < now_planned.workers && now_planned.postpones != 0; ++w) {
      unsigned newer = 0;
      std::uint64_t seen = worker_arenas::nothing_seen;
      const unsigned before = now.seen[w];
      unsigned all = 0;
      arenas_.for_each_new_failure(w, seen, [&](const parmap::failure&) { ++all; });
      seen = worker_arenas::nothing_seen;
      arenas_.for_each_new_failure(w, seen, [&](const parmap::failure& why) {
        if (newer++ < all - before && why.attempts <= now_planned.retries) now.list |= 1U << why.index;
      });
      now.seen[w] = all;
    }
  }

  // Does what supervisor.hpp does between polls. Tasks that are said to have ended must have ended.
  void look_at_what_has_ended() {
    --now.looks_left;
    const interval open = book_.not_ended();
    const unsigned ended = ((1U << now_planned.tasks) - 1) & ~set_of(open);
    require((ended & ~(now.done | now.failed | now.blamed)) == 0, "what has not ended is said to have");
    if (ended != 0 && !open.empty()) sighted |= looked;
  }

 protected:
  [[nodiscard]] const shared_memory& memory() const noexcept { return memory_; }

 private:
  // A stream's values lie in its rings.
  static bool arenas_are_used() noexcept {
    return now_planned.throwing != 0 || (now_planned.encoded != 0 && now_planned.window == 0);
  }

  static constexpr std::size_t arena = 4096;
  static constexpr std::size_t arena_used = 768;

  std::size_t arenas_begin_;
  shared_memory memory_;
  claim_ledger book_;
  worker_arenas arenas_;
};

template <class T>
class map_of : public any_map {
 public:
  explicit map_of(const plan& chosen)
      : any_map(chosen,
                claim_ledger::bytes(chosen.workers, chosen.postpones != 0) + (encoded ? slot_bytes(chosen) : 0)),
        values_(encoded ? 0 : slot_bytes(chosen)) {}

  void work(unsigned w) override {
    const body_calls<T> calls{&book()};
    const process_tasks_of<body_calls<T>> tasks(calls);
    worker_process(tasks, slots(), book(), arenas(),
                   {.tasks = now_planned.tasks,
                    .memory_limit = now_planned.worn != 0 ? std::optional<std::uint64_t>(1) : std::nullopt,
                    .retries = now_planned.retries,
                    .postpones = now_planned.postpones != 0,
                    .number = w})
        .run();
  }

  [[nodiscard]] bool right(unsigned /*w*/, unsigned i) override {
    if constexpr (encoded) {
      try {
        byte_reader bytes = arenas().read_encoded(reinterpret_cast<encoded_slot*>(slots())[i], i);
        return parmap::decoder(bytes).get<T>() == value_of<T>(i, now.begun[i]);
      } catch (const parmap::bad_encoding&) {
        return false;
      }
    } else {
      return reinterpret_cast<T*>(slots())[i] == value_of<T>(i, now.begun[i]);
    }
  }

  [[nodiscard]] std::vector<area> shared() const override {
    auto all = any_map::shared();
    if (!encoded) all.push_back({values_.data(), values_.size()});
    return all;
  }

 private:
  static constexpr bool encoded = slot_shape_of<T>.kind == slot_kind::encoded;
  static std::size_t slot_bytes(const plan& chosen) { return chosen.tasks * slot_shape_of<T>.bytes; }

  [[nodiscard]] std::byte* slots() const noexcept {
    return encoded ? memory().bytes() + claim_ledger::bytes(now_planned.workers, now_planned.postpones != 0)
                   : values_.bytes();
  }

  shared_memory values_;
};

}  // namespace interleavings
