// SPDX-License-Identifier: MIT
// claim_ledger: the words that workers and supervisor share, and every step that changes them. PROTOCOL.md explains why
// no task is lost.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/robust_mutex.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/interval.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

struct left_over_words {
  shared_word<"left_over"> span;          // packed interval; empty: free
  shared_word<"left_attempts"> attempts;  // that its first task has used up
};

// The alignment keeps the lock and the range apart from words that are written less often.
struct common_words {
  alignas(128) shared_word<"halt"> halt;
  shared_word<"failures"> failures;
  alignas(128) robust_mutex lock;
  shared_word<"range"> range;
};

// The words are in shared memory. Each process has its own copy of the constants, out of reach of a faulty task in
// another process.
class claim_ledger {
 public:
  static std::size_t bytes(unsigned workers) noexcept {
    return sizeof(common_words) + workers * (sizeof(worker_words) + sizeof(left_over_words));
  }
  // Constructs the words in zeroed shared memory of bytes(workers) bytes, aligned to a page.
  claim_ledger(void* at, unsigned workers, std::uint64_t max_failures, unsigned retries, bool timed)
      : claim_ledger(::new(at) common_words, workers, max_failures, retries, timed, 0) {
    std::uninitialized_default_construct_n(of_, workers);
    std::uninitialized_default_construct_n(left_, workers);
  }
  // Uses the words that were constructed at `at`, in a round of `round` tasks.
  claim_ledger(void* at, unsigned workers, std::uint64_t max_failures, unsigned retries, bool timed, round_index round)
      : claim_ledger(std::launder(static_cast<common_words*>(at)), workers, max_failures, retries, timed, round) {}

  [[nodiscard]] unsigned workers() const noexcept { return workers_; }
  [[nodiscard]] worker_words& of(unsigned w) const noexcept { return of_[w]; }

  // ---- by anybody

  [[nodiscard]] bool halted() const noexcept { return common_->halt.get() != 0; }
  [[nodiscard]] const shared_word<"halt">& halt_word() const noexcept { return common_->halt; }
  // The first reason stays, except among those that come at the same time.
  void halt(halt_reason why) const noexcept {
    if (!halted()) common_->halt.set(static_cast<std::uint64_t>(why));
  }
  [[nodiscard]] halt_reason why_halted() const noexcept { return static_cast<halt_reason>(common_->halt.get()); }
  // Counts a failure; at the limit no further task is begun.
  void count_failure() const noexcept {
    common_->failures.add(1);
    halt_at_limit();
  }
  void halt_at_limit() const noexcept {
    if (failures() >= max_failures_) halt(halt_reason::max_failures);
  }
  [[nodiscard]] std::uint64_t failures() const noexcept { return common_->failures.get(); }

  // ---- by worker w

  // Claims a chunk for w; empty if there is nothing to begin. cur of w then holds the attempts that its first task has
  // used up.
  interval claim(unsigned w, const chunk_pacer& pace) const {
    const holder lock(*this, w + 1);
    if (halted()) return {};
    worker_words& mine = of(w);
    for (left_over_words& left : left_overs()) {
      const interval all = checked(unpack(left.span.get()));
      if (all.empty()) continue;
      announce(mine, all, static_cast<unsigned>(left.attempts.get()));
      left.span.set(0);
      return all;
    }
    const interval all = checked(unpack(common_->range.get()));
    if (all.empty()) return {};
    const interval chunk = take(all, w, pace.chunk(all.size()));
    announce(mine, chunk, 0);
    common_->range.set(pack(without(all, chunk)));
    return chunk;
  }
  void close_claim(unsigned w) const noexcept {
    worker_words& mine = of(w);
    mine.finished.set(mine.base.get() + unpack(mine.claim.get()).size());
    mine.claim.set(0);
    mine.cur.set(0);
  }

  // ---- by the supervisor

  // Sets the function that tells whether worker w is dead. The supervisor takes over the lock from a dead worker.
  void ask_of_deaths(std::function<bool(unsigned w)> has_died) { has_died_ = std::move(has_died); }
  // The number of tasks of this round.
  [[nodiscard]] round_index round() const noexcept { return round_; }
  // Begins a round of n tasks. No worker is alive.
  void begin_round(round_index n) noexcept {
    round_ = n;
    common_->range.set(pack(interval{0, n}));
  }
  // Call before each fork of worker w.
  void prepare(unsigned w) const noexcept {
    of(w).farewell_word.set(0);
    step("go", moment::before);
    of(w).go.store(0, std::memory_order_release);
    step("go", moment::after);
  }

  // What the death of a worker means for the task it was in.
  struct death {
    bool in_task{};       // an attempt was running
    round_index task{};   // of this task
    unsigned attempts{};  // attempts used up, including the running one
    bool blamed{};        // and no attempt was left
  };
  // Worker w is dead: hands back what is left of its claim. published(task) tells whether the task's failure is
  // recorded.
  death recover(unsigned w, const std::function<bool(round_index)>& published) const {
    const holder lock(*this);
    worker_words& dead = of(w);
    const interval open = checked(unpack(dead.claim.get()));
    if (open.empty()) {
      dead.cur.set(0);
      return {};
    }
    position at = unpack_position(dead.cur.get());
    if (at.task < open.b || at.task > open.e || (at.running && at.task == open.e))
      throw_overwritten("a worker's task lies outside its claim");
    death what;
    if (at.running && published(at.task)) {
      at = {at.task + 1, 0, false};
    } else if (at.running) {
      what = {true, at.task, at.attempts, at.attempts > retries_};
    }
    dead.finished.set(dead.base.get() + (at.task - open.b));
    const interval rest = what.blamed ? interval{at.task + 1, open.e} : interval{at.task, open.e};
    if (!rest.empty()) hand_back(rest, what.blamed ? 0 : at.attempts);
    dead.claim.set(0);
    dead.cur.set(0);
    return what;
  }

  [[nodiscard]] bool anything_unclaimed() const {
    const holder lock(*this);
    return !unpack(common_->range.get()).empty() || std::ranges::any_of(left_overs(), [](const left_over_words& left) {
      return !unpack(left.span.get()).empty();
    });
  }
  // Takes away all unclaimed tasks, which will not be begun. No worker is alive.
  struct unclaimed {
    interval all;
    unsigned attempts;  // that its first task has used up
  };
  [[nodiscard]] std::vector<unclaimed> drain() const {
    const holder lock(*this);
    std::vector<unclaimed> rest;
    const auto take_all = [&](auto& from, std::uint64_t attempts) {
      if (const interval all = checked(unpack(from.get())); !all.empty())
        rest.push_back({all, static_cast<unsigned>(attempts)});
      from.set(0);
    };
    take_all(common_->range, 0);
    for (left_over_words& left : left_overs()) take_all(left.span, left.attempts.get());
    return rest;
  }

  // An interval that contains all tasks of this round that have not ended; empty once all have. It may contain tasks
  // that have ended.
  [[nodiscard]] interval not_ended() const {
    const holder lock(*this);
    interval all{round_, 0};
    const auto add = [&](interval open) {
      if (!open.empty()) all = {std::min(all.b, open.b), std::max(all.e, open.e)};
    };
    add(checked(unpack(common_->range.get())));
    for (const left_over_words& left : left_overs()) add(checked(unpack(left.span.get())));
    for (unsigned w = 0; w < workers_; ++w) {
      const interval open = checked(unpack(of(w).claim.get()));
      const position at = unpack_position(of(w).cur.get());  // task 0 if the claim has been closed meanwhile
      add({at.task > open.b && at.task <= open.e ? at.task : open.b, open.e});
    }
    return all.b < all.e ? all : interval{round_, round_};
  }
  // The number of finished tasks; only approximate while workers run.
  [[nodiscard]] std::uint64_t finished() const noexcept {
    std::uint64_t all = 0;
    for (unsigned w = 0; w < workers_; ++w) {
      const worker_words& one = of(w);
      all += one.finished.get();
      const interval open = unpack(one.claim.get());
      const position at = unpack_position(one.cur.get());
      if (!open.empty() && at.task > open.b && at.task <= open.e) all += at.task - open.b;
    }
    return all;
  }

 private:
  claim_ledger(common_words* at, unsigned workers, std::uint64_t max_failures, unsigned retries, bool timed,
               round_index round)
      : common_(at),
        of_(reinterpret_cast<worker_words*>(common_ + 1)),
        left_(reinterpret_cast<left_over_words*>(of_ + workers)),
        workers_(workers),
        max_failures_(max_failures),
        retries_(retries),
        timed_(timed),
        round_(round) {}

  // Holds the lock; after a take-over, with the words repaired.
  class holder {
   public:
    explicit holder(const claim_ledger& book, robust_mutex::user self = robust_mutex::supervisor)
        : lock_(book.common_->lock),
          self_(self) {
      const auto has_died = [&](auto owner) { return self == robust_mutex::supervisor && book.has_died_(owner - 1); };
      lock_.lock(self, book.workers_ + 1, has_died, [&book](auto owner) { book.repair(owner - 1); });
    }
    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;
    ~holder() { lock_.unlock(self_); }

   private:
    robust_mutex& lock_;
    robust_mutex::user self_;
  };

  // Announces a claim before its source is shrunk. In between both contain the chunk; repair() resolves this.
  static void announce(worker_words& mine, interval chunk, unsigned attempts) noexcept {
    mine.base.set(mine.finished.get());
    mine.cur.set(pack(position{chunk.b, attempts, false}));
    mine.claim.set(pack(chunk));
  }

  // Worker w died holding the lock. A claim that it had announced counts, so it is removed from its source. No effect
  // for a claim that was completed.
  void repair(unsigned w) const noexcept {
    const interval claimed = unpack(of(w).claim.get());
    if (claimed.empty()) return;
    const interval all = unpack(common_->range.get());
    if (!all.empty() && ((claimed.b == all.b && claimed.e <= all.e) || (claimed.e == all.e && claimed.b >= all.b)))
      common_->range.set(pack(without(all, claimed)));
    for (left_over_words& left : left_overs())
      if (unpack(left.span.get()) == claimed) left.span.set(0);
  }

  void hand_back(interval rest, unsigned attempts) const {
    // One is free: left-overs and open claims together never outnumber the workers.
    const auto free =
        std::ranges::find_if(left_overs(), [](const left_over_words& left) { return unpack(left.span.get()).empty(); });
    if (free == left_overs().end()) throw_overwritten("there are more claims than workers");
    free->attempts.set(attempts);
    free->span.set(pack(rest));
  }

  [[nodiscard]] interval checked(interval all) const {
    if (all.b > all.e || all.e > round_) throw_overwritten("a claim lies outside the tasks");
    return all;
  }

  [[nodiscard]] std::span<left_over_words> left_overs() const noexcept { return {left_, workers_}; }

  common_words* common_;
  worker_words* of_;
  left_over_words* left_;
  unsigned workers_;
  std::uint64_t max_failures_;
  unsigned retries_;
  bool timed_;
  round_index round_;
  std::function<bool(unsigned)> has_died_ = [](unsigned) { return false; };
};

}  // namespace parmap::inline PARMAP_ABI::detail
