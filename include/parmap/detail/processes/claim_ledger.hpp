// SPDX-License-Identifier: MIT
// claim_ledger: the words that workers and supervisor share, and every step that changes them. PROTOCOL.md explains why
// no task is lost.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_answer.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/robust_mutex.hpp>
#include <parmap/detail/processes/worker_bell.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/interval.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <utility>
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
  shared_word<"stay"> stay;    // a worker that finds nothing waits for the bell
  shared_word<"limit"> limit;  // of a stream: its tasks [0, limit) may begin
  worker_bell bell;
};

// The words are in shared memory. Each process has its own copy of the constants, out of reach of a faulty task in
// another process.
class claim_ledger {
 public:
  // The constants of a map. `postpones`: a failed attempt is not repeated at once, but goes to the supervisor.
  // `streams`: tasks begin in order, as far as the caller permits. `observed`: workers log their attempts, and may wait
  // until the log has been read.
  struct constants {
    unsigned workers{};
    std::uint64_t max_failures{std::numeric_limits<std::uint64_t>::max()};
    unsigned retries{};
    bool postpones{};
    bool streams{};
    bool observed{};
  };

  static std::size_t bytes(unsigned workers, bool postpones = false) noexcept {
    return sizeof(common_words) + workers * sizeof(worker_words) +
           left_overs_of(workers, postpones) * sizeof(left_over_words);
  }
  // Constructs the words in zeroed shared memory of bytes() bytes, aligned to a page.
  claim_ledger(void* at, const constants& of_map) : claim_ledger(::new(at) common_words, of_map, 0) {
    std::uninitialized_default_construct_n(of_, workers_);
    std::uninitialized_default_construct_n(left_, left_overs_of(workers_, postpones_));
  }
  // Uses the words that were constructed at `at`, in a round of `round` tasks.
  claim_ledger(void* at, const constants& of_map, round_index round)
      : claim_ledger(std::launder(static_cast<common_words*>(at)), of_map, round) {}

  [[nodiscard]] unsigned workers() const noexcept { return workers_; }
  [[nodiscard]] bool postpones() const noexcept { return postpones_; }
  [[nodiscard]] bool streams() const noexcept { return streams_; }
  [[nodiscard]] bool observed() const noexcept { return observed_; }
  [[nodiscard]] worker_words& of(unsigned w) const noexcept { return of_[w]; }

  // ---- by anybody

  [[nodiscard]] bool halted() const noexcept { return common_->halt.get() != 0; }
  [[nodiscard]] const shared_word<"halt">& halt_word() const noexcept { return common_->halt; }
  // The first reason stays, except among those that come at the same time.
  void halt(halt_reason why) const noexcept {
    if (halted()) return;
    common_->halt.set(static_cast<std::uint64_t>(why));
    if (waits_ || observed_) common_->bell.ring();
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

  // Claims a chunk for w, if there is something to begin. cur of w then holds the attempts that its first task has used
  // up.
  claim_answer claim(unsigned w, const chunk_pacer& pace) const {
    using enum claim_answer::kind;
    const holder lock(*this, w + 1);
    // Before halt and stay, which are written without the lock: so no ring after them is missed.
    const std::uint32_t bell = waits_ ? common_->bell.get() : 0;
    if (halted()) return {leave};
    worker_words& mine = of(w);
    for (left_over_words& left : left_overs()) {
      const interval all = checked(unpack(left.span.get()));
      if (all.empty()) continue;
      announce(mine, all, static_cast<unsigned>(left.attempts.get()));
      left.span.set(0);
      return {run, all, &left >= left_ + workers_};
    }
    const interval all = checked(unpack(common_->range.get()));
    const interval open = streams_ ? permitted(all) : all;
    if (!open.empty()) {
      const interval chunk = pace.claim(open, streams_ ? 0 : w);
      announce(mine, chunk, 0);
      common_->range.set(pack(without(all, chunk)));
      return {run, chunk};
    }
    if (!all.empty()) return {wait, {}, false, bell, false};
    if (!waits_ || common_->stay.get() == 0) return {leave};
    return {wait, {}, false, bell, true};
  }
  [[nodiscard]] const worker_bell& bell() const noexcept { return common_->bell; }
  void close_claim(unsigned w) const noexcept {
    worker_words& mine = of(w);
    mine.finished.set(mine.base.get() + unpack(mine.claim.get()).size());
    mine.claim.set(0);
    mine.cur.set(0);
  }

  // ---- by the caller of a stream

  // Tasks [0, limit) of the stream may begin. What has been claimed goes on.
  void allow(std::uint64_t limit) const noexcept {
    common_->limit.set(limit);
    common_->bell.ring();
  }
  [[nodiscard]] std::uint64_t limit() const noexcept { return common_->limit.get(); }
  // Wakes workers that wait; see worker_process.
  void ring() const noexcept { common_->bell.ring(); }

  // ---- by the supervisor

  // Sets the function that tells whether worker w is dead. The supervisor takes over the lock from a dead worker.
  void ask_of_deaths(std::function<bool(unsigned w)> has_died) { has_died_ = std::move(has_died); }
  // The number of tasks of this round.
  [[nodiscard]] round_index round() const noexcept { return round_; }
  // Begins a round of n tasks, of which the first is task `origin` of the map. No worker is alive.
  void begin_round(round_index n, std::uint64_t origin = 0) noexcept {
    round_ = n;
    origin_ = origin;
    common_->range.set(pack(interval{0, n}));
    if (waits_) common_->stay.set(1);
  }
  // The round has only n tasks: those behind were not permitted, so nobody has claimed them.
  void cut_round(round_index n) const {
    const holder lock(*this);
    const interval all = checked(unpack(common_->range.get()));
    common_->range.set(pack(interval{all.b, std::clamp(n, all.b, all.e)}));
  }
  // Call before each fork of worker w.
  void prepare(unsigned w) const noexcept {
    of(w).farewell_word.set(0);
    if (waits_ || observed_) of(w).waiting.set(0);
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
    bool postponed{};     // an attempt is left, and the task is now the supervisor's
  };
  // Worker w is dead: hands back what is left of its claim. published(task, attempts) tells whether the failure of that
  // attempt is recorded.
  death recover(unsigned w, const std::function<bool(round_index, unsigned)>& published) const {
    const death what = take_from_dead(w, published);
    // For workers that wait: nobody else may come for what was handed back, if forks are refused; and w may have halted
    // the map, and died before it rang.
    if (waits_) common_->bell.ring();
    return what;
  }

  [[nodiscard]] bool anything_unclaimed() const {
    const holder lock(*this);
    return !unpack(common_->range.get()).empty() || !std::ranges::all_of(left_overs(), is_free);
  }
  // Whether nothing is claimed, nor to be claimed.
  [[nodiscard]] bool idle() const {
    const holder lock(*this);
    for (unsigned w = 0; w < workers_; ++w)
      if (!unpack(of(w).claim.get()).empty()) return false;
    return unpack(common_->range.get()).empty() && std::ranges::all_of(left_overs(), is_free);
  }
  // Makes a postponed task claimable; false if there is no place for it now.
  [[nodiscard]] bool put(round_index task, unsigned attempts) const {
    {
      const holder lock(*this);
      const auto places = left_overs().subspan(workers_);
      const auto place = std::ranges::find_if(places, is_free);
      if (place == places.end()) return false;
      place->attempts.set(attempts);
      place->span.set(pack(interval{task, task + 1}));
    }
    common_->bell.ring();
    return true;
  }
  // Workers that find nothing leave from now on.
  void dismiss() const noexcept {
    if (common_->stay.get() == 0) return;
    common_->stay.set(0);
    common_->bell.ring();
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
  claim_ledger(common_words* at, const constants& of_map, round_index round)
      : common_(at),
        of_(reinterpret_cast<worker_words*>(common_ + 1)),
        left_(reinterpret_cast<left_over_words*>(of_ + of_map.workers)),
        workers_(of_map.workers),
        max_failures_(of_map.max_failures),
        retries_(std::min(of_map.retries, max_attempts - 1)),
        postpones_(of_map.postpones),
        streams_(of_map.streams),
        observed_(of_map.observed),
        waits_(postpones_ || streams_),
        round_(round) {}

  // One for each worker's death, and behind them as many again for postponed tasks.
  static std::size_t left_overs_of(unsigned workers, bool postpones) noexcept {
    return std::size_t{workers} * (postpones ? 2 : 1);
  }

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

  death take_from_dead(unsigned w, const std::function<bool(round_index, unsigned)>& published) const {
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
    if (at.running && published(at.task, at.attempts)) {
      at = {at.task + 1, 0, false};
    } else if (at.running) {
      what = {true, at.task, at.attempts, at.attempts > retries_};
      what.postponed = postpones_ && !what.blamed;
    }
    dead.finished.set(dead.base.get() + (at.task - open.b));
    const bool gone = what.blamed || what.postponed;
    const interval rest = gone ? interval{at.task + 1, open.e} : interval{at.task, open.e};
    if (!rest.empty()) hand_back(rest, gone ? 0 : at.attempts);
    dead.claim.set(0);
    dead.cur.set(0);
    return what;
  }

  // What of the unclaimed tasks may begin now.
  [[nodiscard]] interval permitted(interval all) const noexcept {
    const std::uint64_t limit = common_->limit.get();
    const std::uint64_t end = limit > origin_ ? std::min<std::uint64_t>(limit - origin_, all.e) : 0;
    return {all.b, std::max(all.b, static_cast<round_index>(end))};
  }

  void hand_back(interval rest, unsigned attempts) const {
    // One is free: the left-overs of deaths and open claims together never outnumber the workers.
    const auto places = left_overs().first(workers_);
    const auto free = std::ranges::find_if(places, is_free);
    if (free == places.end()) throw_overwritten("there are more claims than workers");
    free->attempts.set(attempts);
    free->span.set(pack(rest));
  }

  [[nodiscard]] interval checked(interval all) const {
    if (all.b > all.e || all.e > round_) throw_overwritten("a claim lies outside the tasks");
    return all;
  }

  [[nodiscard]] std::span<left_over_words> left_overs() const noexcept {
    return {left_, left_overs_of(workers_, postpones_)};
  }
  static bool is_free(const left_over_words& left) noexcept { return unpack(left.span.get()).empty(); }

  common_words* common_;
  worker_words* of_;
  left_over_words* left_;
  unsigned workers_;
  std::uint64_t max_failures_;
  unsigned retries_;
  bool postpones_;
  bool streams_;
  bool observed_;
  bool waits_;  // a worker that finds nothing may wait
  round_index round_;
  std::uint64_t origin_{};
  std::function<bool(unsigned)> has_died_ = [](unsigned) { return false; };
};

}  // namespace parmap::inline PARMAP_ABI::detail
