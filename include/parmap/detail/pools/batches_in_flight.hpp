// SPDX-License-Identifier: MIT
// batches_in_flight: the batches that have been sent to a pool's workers and have not ended.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/pool_job.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/pools/sent_store.hpp>

#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Tasks that have been sent together.
struct sent_batch {
  std::uint64_t number;  // in the table
  std::uint64_t count;
  std::uint64_t left;  // tasks without an outcome
  std::uint64_t task;
  unsigned attempt;
  std::shared_ptr<pool_job> job;
  std::shared_ptr<kept_function> function;
  kept_inputs inputs;

  [[nodiscard]] bool has(const pool_job& of, std::uint64_t at) const noexcept {
    return job.get() == &of && at - task < count;
  }
};

// In the caller, under the dispatcher's lock.
class batches_in_flight {
  using batches = std::map<std::uint64_t, sent_batch>;  // by the number of the first task in the stream

 public:
  using place = batches::iterator;  // stays until the batch is dropped

  explicit batches_in_flight(pool_memory& memory) noexcept : memory_(memory) {}
  batches_in_flight(const batches_in_flight&) = delete;
  batches_in_flight& operator=(const batches_in_flight&) = delete;

  // The number of the next task in the stream.
  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  // Tasks that have been sent and have not ended.
  [[nodiscard]] std::uint64_t tasks() const noexcept { return tasks_; }
  // Whether another batch can be sent.
  [[nodiscard]] bool has_room() const noexcept { return memory_.table().has_room(); }

  // There must be room. If it throws, nothing is added. `allowed`: the time of each attempt; zero: any. Returns whether
  // no batch had so short a limit.
  bool add(sent_batch what, std::uint64_t seed, std::chrono::nanoseconds allowed) {
    const auto ns = static_cast<std::uint64_t>(allowed.count());
    const auto at = batches_.emplace_hint(batches_.end(), next_, std::move(what));
    sent_batch& made = at->second;
    try {
      of_jobs_.emplace(key(*made.job, made.task, next_), at);
    } catch (...) {
      batches_.erase(at);
      throw;
    }
    const bool is_shortest = ns != 0 && (shortest_ == 0 || ns < shortest_);
    if (is_shortest) memory_.set_shortest_limit(shortest_ = ns);
    made.number = memory_.table().put({.first = next_,
                                       .count = made.count,
                                       .task = made.task,
                                       .attempt = made.attempt,
                                       .seed = seed,
                                       .allowed = ns,
                                       .function = made.function->where,
                                       .inputs = *made.inputs});
    next_ += made.count;
    tasks_ += made.count;
    return is_shortest;
  }

  // The batch that has this task of the stream; end() if there is none that has not ended.
  [[nodiscard]] place with(std::uint64_t number) {
    const auto behind = batches_.upper_bound(number);
    if (behind == batches_.begin()) return batches_.end();
    const auto at = std::prev(behind);
    return number - at->first < at->second.count ? at : batches_.end();
  }
  [[nodiscard]] place end() noexcept { return batches_.end(); }
  // The batch that has this task of a job whose tasks are not tried again; end() if there is none.
  [[nodiscard]] place of(const pool_job& job, std::uint64_t task) {
    const auto behind = of_jobs_.upper_bound(key(job, task, ~std::uint64_t{0}));
    if (behind == of_jobs_.begin()) return batches_.end();
    const place at = std::prev(behind)->second;
    return at->second.has(job, task) ? at : batches_.end();
  }
  // Calls visit(batch) for each batch of the job.
  template <class Visit>
  void for_each_of(const pool_job& job, const Visit& visit) {
    for (auto at = of_jobs_.lower_bound(key(job, 0, 0)); at != of_jobs_.end(); ++at) {
      const sent_batch& each = at->second->second;
      if (each.job.get() != &job) return;
      visit(each);
    }
  }
  // The lowest number in the stream of a task that may not have ended.
  [[nodiscard]] std::uint64_t first() const noexcept { return batches_.empty() ? next_ : batches_.begin()->first; }

  // So many tasks of the batch have ended. Returns whether all have; then the batch is dropped.
  bool end_some(place at, std::uint64_t tasks) {
    tasks_ -= tasks;
    at->second.left -= tasks;
    if (at->second.left > 0) return false;
    memory_.table().drop(at->second.number);
    of_jobs_.erase(key(*at->second.job, at->second.task, at->first));
    batches_.erase(at);
    if (tasks_ == 0 && shortest_ != 0) memory_.set_shortest_limit(shortest_ = 0);
    return true;
  }
  // No further task of it begins. Returns whether none has begun.
  bool halt(const sent_batch& it) noexcept { return memory_.table().halt(it.number); }
  // The same, but what has begun goes on.
  bool cancel(const sent_batch& it) noexcept { return memory_.table().cancel(it.number); }
  [[nodiscard]] bool has_begun(const sent_batch& it) const noexcept { return memory_.table().has_begun(it.number); }

 private:
  using of_job = std::tuple<std::uintptr_t, std::uint64_t, std::uint64_t>;

  // `task`: the first of the batch in its job; `first`: in the stream.
  [[nodiscard]] static of_job key(const pool_job& job, std::uint64_t task, std::uint64_t first) noexcept {
    return {reinterpret_cast<std::uintptr_t>(&job), task, first};
  }

  pool_memory& memory_;
  batches batches_;
  std::map<of_job, place> of_jobs_;
  std::uint64_t next_{};
  std::uint64_t tasks_{};
  std::uint64_t shortest_{};  // the shortest limit of them, in ns; 0: none
};

}  // namespace parmap::inline PARMAP_ABI::detail
