// SPDX-License-Identifier: MIT
// task_retries: which failed tasks of a round are tried again, and when; for maps that do not do so at once.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/schedule/due_queue.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The failures that workers have published of attempts that were not the last: by the task's index in the map.
class voided_failures {
 public:
  void add(std::uint64_t task, unsigned attempts) {
    newest_[task] = attempts;
    ++count_;
  }
  // For one that is not asked about later.
  void count_only() noexcept { ++count_; }
  [[nodiscard]] bool contains(std::uint64_t task, unsigned attempts) const {
    const auto found = newest_.find(task);
    return found != newest_.end() && attempts <= found->second;
  }
  // How many of them there are: each is counted among a worker's finished tasks.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  std::unordered_map<std::uint64_t, unsigned> newest_;
  std::uint64_t count_{};
};

// The supervisor's, in its own memory, where no task can write over it. Keeps any number of tasks until they are due.
class task_retries {
 public:
  using clock = std::chrono::steady_clock;

  struct postponed {
    clock::time_point due;
    round_index task;
    unsigned attempts;  // that it has used up
  };

  // Takes the failures of a stream, which are not kept until its end.
  using sink = std::function<void(const failure&, unsigned w, attempt_span when)>;

  // Hears of the failures that workers publish. `again`: the task will be tried again.
  using listener = std::function<void(unsigned w, const failure&, attempt_span when, bool again)>;

  task_retries(const claim_ledger& book, const worker_arenas& records, const options& chosen, sink failures = {})
      : book_(book),
        records_(records),
        options_(chosen),
        failures_(std::move(failures)),
        seen_(book.workers(), worker_arenas::nothing_seen) {}

  // `from`: the round's first task in the map.
  void begin_round(std::uint64_t from) noexcept { from_ = from; }

  // Whether the task is to be tried again; then it is postponed. In a halted map it is not tried again, and counts as
  // stopped. Lets out what options::retry_if throws.
  bool postpone(const failure& why) {
    if (!book_.halted() && options_.retry_if && !options_.retry_if(why)) return false;
    const auto wait = retry_wait(options_.retry_delay, *options_.seed, why.index, why.attempts);
    waiting_.add({clock::now() + wait, static_cast<round_index>(why.index - from_), why.attempts});
    return true;
  }
  void tell(listener to) { listener_ = std::move(to); }
  // Reads what workers have published of failed attempts since the last call.
  void look_at_failures() {
    if (!book_.postpones() && !failures_ && !listener_) return;
    for (unsigned w = 0; w < book_.workers(); ++w) {
      if (!listener_) {
        records_.for_each_new_failure(
            w, seen_[w], [&](const failure& why, attempt_span when) { static_cast<void>(take(why, w, when)); });
        continue;
      }
      std::vector<std::pair<failure, attempt_span>> newest_first;
      records_.for_each_new_failure(
          w, seen_[w], [&](failure&& why, attempt_span when) { newest_first.emplace_back(std::move(why), when); });
      for (auto it = newest_first.rbegin(); it != newest_first.rend(); ++it)
        listener_(w, it->first, it->second, take(it->first, w, it->second));
    }
  }
  // Makes the first task claimable that is due; false if there is none, or no place for it.
  bool put_one() {
    no_place_ = false;
    if (book_.halted() || !waiting_.is_due()) return false;
    no_place_ = !book_.put(waiting_.first().task, waiting_.first().attempts);
    if (no_place_) return false;  // a worker that takes a postponed task tells of it
    waiting_.take_first();
    return true;
  }

  [[nodiscard]] bool none_is_postponed() const noexcept { return waiting_.empty(); }
  // Whether nothing else can be claimed.
  [[nodiscard]] bool only_postponed_are_left() const {
    return !waiting_.empty() && !book_.halted() && !book_.anything_unclaimed();
  }
  // The time until put_one may do something.
  [[nodiscard]] std::chrono::nanoseconds until_due() const {
    if (waiting_.empty() || no_place_ || book_.halted()) return no_limit;
    return std::max<std::chrono::nanoseconds>(waiting_.first().due - clock::now(), std::chrono::nanoseconds(0));
  }
  // Takes away the tasks that are postponed.
  [[nodiscard]] std::vector<postponed> take() { return waiting_.take_all(); }
  // The published failures that do not count, as their tasks were postponed.
  [[nodiscard]] const voided_failures& voided() const noexcept { return voided_; }

 private:
  // Takes the failure of an attempt; returns whether the task will be tried again.
  bool take(const failure& why, unsigned w, attempt_span when) {
    const bool last = why.attempts > options_.retries;
    if (!last && !book_.postpones()) return true;  // by its worker, or by whoever has what that left
    if (!last && postpone(why)) {
      if (failures_) voided_.count_only();
      else voided_.add(why.index, why.attempts);
      return true;
    }
    if (!last) book_.count_failure();
    if (failures_) failures_(why, w, when);
    return false;
  }

  const claim_ledger& book_;
  const worker_arenas& records_;
  const options& options_;
  sink failures_;
  listener listener_;
  std::uint64_t from_{};
  std::vector<std::uint64_t> seen_;  // of each worker, how far its failures were read
  due_queue<postponed> waiting_;
  bool no_place_{};  // for one that is due
  voided_failures voided_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
