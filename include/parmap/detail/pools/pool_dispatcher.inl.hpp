// SPDX-License-Identifier: MIT
// The bodies of pool_dispatcher.hpp: the jobs of a pool, and how they are halted and ended. batch_sender sends their
// tasks, outcome_collector takes the outcomes.
#pragma once

#include <parmap/detail/pools/batch_sender.hpp>
#include <parmap/detail/pools/batches_in_flight.hpp>
#include <parmap/detail/pools/outcome_collector.hpp>
#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/pools/pool_tasks.hpp>
#include <parmap/detail/pools/sent_store.hpp>
#include <parmap/detail/pools/unsent_tasks.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/options.hpp>

#include <algorithm>
#include <exception>
#include <list>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class pool_dispatcher::state {
 public:
  explicit state(const pool_terms& terms)
      : memory_(workers_of(terms)),
        tasks_(memory_),
        store_(memory_, [this] { processes_.ring(); }),
        processes_(tasks_, options_of(terms), std::nullopt, &memory_, true, {&memory_, terms.most_tasks}),
        sender_(memory_, processes_, jobs_),
        collector_(lock_, processes_, sender_, jobs_) {}

  [[nodiscard]] unsigned workers() const noexcept { return processes_.workers(); }

  // ---- what is sent

  std::shared_ptr<kept_function> keep_function(std::vector<std::byte> bytes) {
    check_process();
    return store_.keep_function(std::move(bytes));
  }
  kept_inputs keep_inputs(const write& encode, bool foreign) {
    check_process();
    return foreign ? store_.keep_foreign_inputs(encode) : store_.keep_inputs(encode);
  }
  [[nodiscard]] byte_reader read(const kept_inputs& it) const noexcept { return {memory_.at(it->offset), it->size}; }

  // ---- jobs

  std::shared_ptr<pool_job> open(const job_terms& on, std::shared_ptr<kept_function> f, pool_owner& by) {
    const std::lock_guard lock(at_work());
    collector_.throw_if_broken();
    jobs_.push_back(std::make_shared<pool_job>(on, std::move(f), by));
    return jobs_.back();
  }
  void add(pool_job& to, task_piece what) {
    const std::lock_guard lock(at_work());
    collector_.throw_if_broken();
    to.unsent_.add(std::move(what));
    send_some(to);
  }
  void close(pool_job& it) {
    const std::lock_guard lock(at_work());
    it.closed_ = true;
    it.news_.notify_all();
  }
  void allow(pool_job& it, std::uint64_t limit) {
    const std::lock_guard lock(at_work());
    it.limit_ = limit;
    send_some(it);
  }
  bool try_again(pool_job& it, std::uint64_t task, unsigned attempt, std::chrono::steady_clock::time_point due) {
    const std::lock_guard lock(at_work());
    const auto failed = it.failed_.find(task);
    if (it.halted_ || failed == it.failed_.end()) return false;
    failed->second.attempt = attempt;
    it.postponed_.add({due, failed->second});
    it.failed_.erase(failed);
    return true;
  }
  std::vector<unsent> halt(pool_job& it) {
    const std::lock_guard lock(at_work());
    std::vector<unsent> rest;
    rest.reserve(it.unsent_.pieces() + it.postponed_.size());
    const auto add = [&rest](const task_piece& what) { rest.push_back({what.task, what.count, what.attempt - 1}); };
    it.halted_ = it.closed_ = true;
    it.unsent_.for_each(add);
    it.unsent_.clear();
    for (const pool_job::postponed& each : it.postponed_.take_all()) add(each.what);
    sent().for_each_of(it, [this](const sent_batch& each) { static_cast<void>(sent().halt(each)); });
    return rest;
  }
  bool halt_task(pool_job& it, std::uint64_t task) {
    const std::lock_guard lock(at_work());
    if (const task_piece* const waits = it.unsent_.find(task)) {
      auto outcome = outcome_collector::stopped(task, waits->attempt);
      it.unsent_.drop(task);
      outcome_collector::put_into_inbox(it, outcome);
      return true;
    }
    const auto of = sent().of(it, task);
    return of != sent().end() && of->second.count == 1 && sent().cancel(of->second);
  }
  [[nodiscard]] bool has_begun(const pool_job& it, std::uint64_t task) {
    const std::lock_guard lock(at_work());
    const auto of = sent().of(it, task);
    return of != sent().end() && sent().has_begun(of->second);
  }
  void halt_tasks(pool_job& it, std::uint64_t task, std::uint64_t count) {
    const std::lock_guard lock(at_work());
    unsent_tasks rest;
    it.unsent_.take(task, count, rest);
    std::list<pool_job::arrived> outcomes;
    try {
      rest.for_each([&outcomes](const task_piece& each) {
        for (std::uint64_t k = 0; k < each.count; ++k)
          outcomes.splice(outcomes.end(), outcome_collector::stopped(each.task + k, each.attempt));
      });
    } catch (...) {
      rest.take(task, count, it.unsent_);
      throw;
    }
    outcome_collector::put_into_inbox(it, outcomes);
    sent().for_each_of(it, [&](const sent_batch& each) {
      if (each.task - task < count) static_cast<void>(sent().halt(each));
    });
  }
  void kill(pool_job& it, std::optional<std::uint64_t> task) {
    const std::lock_guard lock(at_work());
    sent().for_each_of(it, [&](const sent_batch& each) {
      if (!task || each.has(it, *task)) static_cast<void>(sent().halt(each));
    });
    end_running(it, task);
  }
  void end(pool_job& it) noexcept {
    if (generation_ != fork_generation()) return;
    {
      const std::lock_guard lock(lock_);
      it.owner_ = nullptr;
      it.halted_ = it.closed_ = true;
      it.unsent_.clear();
      static_cast<void>(it.postponed_.take_all());
      it.inbox_.clear();
      it.failed_.clear();
    }
    // If values of other threads are in the way for which there is no memory, they are lost in the end.
    for (int k = 0; !end_what_runs(it); ++k) {
      std::this_thread::sleep_for(nap);
      const std::lock_guard lock(lock_);
      collector_.pass_on_without_memory(k >= tries);
    }
    {
      const std::lock_guard lock(lock_);
      collector_.pass_on_without_memory(false);
      std::erase_if(jobs_, [&it](const auto& each) { return each.get() == &it; });
    }
    store_.drop_unused();  // its inputs may be large
  }

  void end_workers() noexcept {
    if (generation_ != fork_generation()) return;
    processes_.end_at(sent().next());
    try {
      while (processes_.find(longest).how != arrival::end) {
      }
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): they have ended otherwise
    }
  }

  // Outcomes that have not come do not come any more: it may be that no worker has begun, or will.
  void end_at_once() noexcept {
    if (generation_ != fork_generation()) return;
    {
      const std::lock_guard lock(lock_);
      collector_.set_broken(std::make_exception_ptr(std::runtime_error("parmap: the workers of this pool have ended")));
    }
    processes_.close();
  }

  // ---- outcomes

  [[nodiscard]] std::uint64_t taken(const pool_job& it) const {
    const std::lock_guard lock(at_work());
    return it.taken_;
  }
  arrival collect(pool_job& mine, std::chrono::nanoseconds patience, std::optional<std::uint64_t> seen) {
    check_process();
    const arrival how = collector_.collect(mine, patience, seen);
    store_.drop_large();
    return how;
  }

 private:
  static constexpr std::chrono::hours longest{24};
  static constexpr std::chrono::milliseconds nap{10};
  static constexpr int tries = 30;  // with a nap behind each

  static unsigned workers_of(const pool_terms& terms) { return terms.workers != 0 ? terms.workers : usable_cores(); }
  static options options_of(const pool_terms& terms) {
    options chosen;
    chosen.memory_limit = terms.memory_limit;
    chosen.seed = 0;  // each batch has its own
    chosen.window = batch_sender::window;
    chosen.workers = workers_of(terms);
    return chosen;
  }
  // The lock, in the process that made the pool.
  std::mutex& at_work() const {
    check_process();
    return lock_;
  }
  void check_process() const {
    if (generation_ != fork_generation())
      throw std::logic_error("parmap: a pool cannot be used in a process that was forked from the one that made it");
  }
  [[nodiscard]] batches_in_flight& sent() noexcept { return sender_.sent(); }
  // Whoever waits for outcomes sends what could not be sent now.
  void send_some(pool_job& it) {
    try {
      sender_.send_some(it);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): see above
    }
  }

  // Returns whether nothing of the job runs any more. False if there was no memory to see that.
  bool end_what_runs(pool_job& it) noexcept {
    try {
      do kill(it, std::nullopt);
      while (collect(it, nap, std::nullopt) != arrival::end);
      return true;
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(lock_);
      return collector_.is_broken();
    } catch (const std::exception&) {
      return true;  // the pool is broken, and none of its tasks runs
    }
  }
  // What runs of the job is to end: see task_orders.
  void end_running(const pool_job& it, std::optional<std::uint64_t> task) {
    const std::uint64_t origin = sent().first() / max_round * max_round;
    for (unsigned w = 0; w < workers(); ++w)
      if (const auto running = processes_.runs(w)) {
        const std::uint64_t number = origin + *running;
        const auto at = sent().with(number);
        if (at == sent().end() || at->second.job.get() != &it) continue;
        if (!task || at->second.task + (number - at->first) == *task) memory_.end(w, number);
      }
    processes_.wake_supervisor();
  }

  std::uint64_t generation_{fork_generation()};
  mutable std::mutex lock_;  // of all but the store
  pool_memory memory_;
  pool_tasks tasks_;
  sent_store store_;
  std::vector<std::shared_ptr<pool_job>> jobs_;  // that are open
  stream_processes processes_;
  batch_sender sender_;
  outcome_collector collector_;
};

PARMAP_INLINE pool_dispatcher::pool_dispatcher(const pool_terms& terms) : state_(std::make_unique<state>(terms)) {}
PARMAP_INLINE pool_dispatcher::~pool_dispatcher() = default;
PARMAP_INLINE unsigned pool_dispatcher::workers() const noexcept { return state_->workers(); }
PARMAP_INLINE std::shared_ptr<kept_function> pool_dispatcher::keep_function(std::vector<std::byte> bytes) {
  return state_->keep_function(std::move(bytes));
}
PARMAP_INLINE kept_inputs pool_dispatcher::keep_inputs(const write& encode, bool foreign) {
  return state_->keep_inputs(encode, foreign);
}
PARMAP_INLINE byte_reader pool_dispatcher::read(const kept_inputs& it) const noexcept { return state_->read(it); }
PARMAP_INLINE std::shared_ptr<pool_job> pool_dispatcher::open(const job_terms& on, std::shared_ptr<kept_function> f,
                                                              pool_owner& by) {
  return state_->open(on, std::move(f), by);
}
PARMAP_INLINE void pool_dispatcher::add(pool_job& to, std::uint64_t task, std::uint64_t count, kept_inputs inputs,
                                        std::shared_ptr<kept_function> f) {
  state_->add(to, {task, count, std::move(inputs), 1, std::move(f)});
}
PARMAP_INLINE void pool_dispatcher::close(pool_job& it) { state_->close(it); }
PARMAP_INLINE void pool_dispatcher::allow(pool_job& it, std::uint64_t limit) { state_->allow(it, limit); }
PARMAP_INLINE bool pool_dispatcher::try_again(pool_job& it, std::uint64_t task, unsigned attempt,
                                              std::chrono::steady_clock::time_point due) {
  return state_->try_again(it, task, attempt, due);
}
PARMAP_INLINE std::vector<pool_dispatcher::unsent> pool_dispatcher::halt(pool_job& it) { return state_->halt(it); }
PARMAP_INLINE bool pool_dispatcher::halt_task(pool_job& it, std::uint64_t task) { return state_->halt_task(it, task); }
PARMAP_INLINE bool pool_dispatcher::has_begun(const pool_job& it, std::uint64_t task) const {
  return state_->has_begun(it, task);
}
PARMAP_INLINE void pool_dispatcher::halt_tasks(pool_job& it, std::uint64_t task, std::uint64_t count) {
  state_->halt_tasks(it, task, count);
}
PARMAP_INLINE void pool_dispatcher::kill(pool_job& it, std::optional<std::uint64_t> task) { state_->kill(it, task); }
PARMAP_INLINE void pool_dispatcher::end(const std::shared_ptr<pool_job>& it) noexcept { state_->end(*it); }
PARMAP_INLINE void pool_dispatcher::end_workers() noexcept { state_->end_workers(); }
PARMAP_INLINE void pool_dispatcher::end_at_once() noexcept { state_->end_at_once(); }
PARMAP_INLINE arrival pool_dispatcher::collect(pool_job& mine, std::chrono::nanoseconds patience,
                                               std::optional<std::uint64_t> seen) {
  return state_->collect(mine, patience, seen);
}
PARMAP_INLINE std::uint64_t pool_dispatcher::taken(const pool_job& it) const { return state_->taken(it); }

}  // namespace parmap::inline PARMAP_ABI::detail
