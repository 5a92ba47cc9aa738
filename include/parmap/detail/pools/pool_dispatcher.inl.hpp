// SPDX-License-Identifier: MIT
// The bodies of pool_dispatcher.hpp. One class, as jobs, sending and collecting change the same lists under one lock;
// what is sent and what is in flight have files of their own.
#pragma once

#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/batches_in_flight.hpp>
#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/pools/pool_tasks.hpp>
#include <parmap/detail/pools/sent_store.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/give_back.hpp>
#include <parmap/options.hpp>

#include <algorithm>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class pool_dispatcher::state {
 public:
  explicit state(const pool_terms& terms)
      : memory_(workers_of(terms)),
        tasks_(memory_),
        store_(memory_, [this] { processes_.ring(); }),
        sent_(memory_),
        processes_(tasks_, options_of(terms), std::nullopt, &memory_, true, {&memory_, terms.most_tasks}) {}

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

  std::shared_ptr<pool_job> open(const pool_job::terms& on, std::shared_ptr<kept_function> f, pool_owner& by) {
    const std::lock_guard lock(at_work());
    throw_if_broken();
    jobs_.push_back(std::make_shared<pool_job>(on, std::move(f), by));
    return jobs_.back();
  }
  void add(pool_job& to, pool_job::piece what) {
    const std::lock_guard lock(at_work());
    throw_if_broken();
    to.pieces_.push_back(std::move(what));
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
    const auto failed = std::ranges::find(it.failed_, task, &pool_job::piece::task);
    if (it.halted_ || failed == it.failed_.end()) return false;
    pool_job::piece again = std::move(*failed);
    it.failed_.erase(failed);
    again.attempt = attempt;
    it.postponed_.add({due, std::move(again)});
    return true;
  }
  std::vector<unsent> halt(pool_job& it) {
    const std::lock_guard lock(at_work());
    it.halted_ = it.closed_ = true;
    std::vector<unsent> rest;
    const auto add = [&rest](const pool_job::piece& what) {
      rest.push_back({what.task, what.count, what.attempt - 1});
    };
    std::ranges::for_each(std::exchange(it.pieces_, {}), add);
    for (const pool_job::postponed& each : it.postponed_.take_all()) add(each.what);
    sent_.for_each_of(it, [this](const sent_batch& each) { static_cast<void>(sent_.halt(each)); });
    return rest;
  }
  bool halt_task(pool_job& it, std::uint64_t task) {
    const std::lock_guard lock(at_work());
    const auto waits = std::ranges::find_if(
        it.pieces_, [task](const pool_job::piece& each) { return each.task == task && each.count == 1; });
    if (waits != it.pieces_.end()) {
      put_stopped(it, task, waits->attempt);
      it.pieces_.erase(waits);
      return true;
    }
    const auto of = sent_.of(it, task);
    return of != sent_.end() && of->second.count == 1 && sent_.halt(of->second);
  }
  [[nodiscard]] bool has_begun(const pool_job& it, std::uint64_t task) {
    const std::lock_guard lock(at_work());
    const auto of = sent_.of(it, task);
    return of != sent_.end() && sent_.has_begun(of->second);
  }
  void halt_tasks(pool_job& it, std::uint64_t task, std::uint64_t count) {
    const std::lock_guard lock(at_work());
    std::erase_if(it.pieces_, [&](const pool_job::piece& each) {
      if (each.task - task >= count) return false;
      for (std::uint64_t k = 0; k < each.count; ++k) put_stopped(it, each.task + k, each.attempt);
      return true;
    });
    sent_.for_each_of(it, [&](const sent_batch& each) {
      if (each.task - task < count) static_cast<void>(sent_.halt(each));
    });
  }
  void kill(pool_job& it, std::optional<std::uint64_t> task) {
    const std::lock_guard lock(at_work());
    sent_.for_each_of(it, [&](const sent_batch& each) {
      if (!task || each.has(it, *task)) static_cast<void>(sent_.halt(each));
    });
    end_running(it, task);
  }
  void end(pool_job& it) noexcept {
    if (generation_ != fork_generation()) return;
    {
      const std::lock_guard lock(lock_);
      it.owner_ = nullptr;
      it.halted_ = it.closed_ = true;
      it.pieces_.clear();
      static_cast<void>(it.postponed_.take_all());
      it.inbox_.clear();
      it.failed_.clear();
    }
    try {
      do kill(it, std::nullopt);
      while (collect(it, std::chrono::milliseconds(10), std::nullopt) != arrival::end);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the pool is broken, and none of its tasks runs
    }
    {
      const std::lock_guard lock(lock_);
      std::erase_if(jobs_, [&it](const auto& each) { return each.get() == &it; });
    }
    store_.drop_unused();  // its inputs may be large
  }

  void end_workers() noexcept {
    if (generation_ != fork_generation()) return;
    processes_.end_at(sent_.next());
    try {
      while (processes_.find(longest).how != arrival::end) {
      }
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): they have ended otherwise
    }
  }

  // ---- outcomes

  [[nodiscard]] std::uint64_t taken(const pool_job& it) const {
    const std::lock_guard lock(at_work());
    return it.taken_;
  }
  arrival collect(pool_job& mine, std::chrono::nanoseconds patience, std::optional<std::uint64_t> seen) {
    const arrival how = wait(mine, patience, seen);
    store_.drop_large();
    return how;
  }

 private:
  arrival wait(pool_job& mine, std::chrono::nanoseconds patience, std::optional<std::uint64_t> seen) {
    using clock = std::chrono::steady_clock;
    std::unique_lock lock(at_work());
    const hands_over at_end(*this, lock);
    const std::uint64_t before = seen.value_or(mine.taken_);
    std::optional<clock::time_point> until;
    for (bool looked = false;; looked = true) {
      throw_if_broken();
      if (!mine.inbox_.empty()) {
        hand_over();
        return give_inbox(mine, lock);
      }
      if (mine.taken_ != before) return arrival::outcome;
      if (mine.is_over()) return arrival::end;
      send_some(mine);
      const auto now = clock::now();
      if (!until) until = patience < longest ? now + patience : now + longest;
      if (looked && now >= *until) return arrival::nothing_yet;
      auto nap = *until - now;
      if (!mine.postponed_.empty()) nap = std::min(nap, mine.postponed_.first().due - now);
      nap = std::max(nap, nap.zero());
      if (!collecting_) {
        const role as_collector(*this, lock);
        look(mine, nap);
      } else {
        ++mine.waiting_;
        mine.news_.wait_until(lock, now + nap);
        --mine.waiting_;
      }
    }
  }

  static constexpr std::chrono::hours longest{24};
  static constexpr std::uint64_t most_in_flight = 1 << 15;
  // Of one job while others have tasks to send.
  static constexpr std::uint64_t most_beside_others = most_in_flight / 4;
  static constexpr std::uint64_t most_batches_of_job = batch_table::places / 8;

  // Of a thread that leaves collect(): one of those that wait is to collect. Not only the collector hands over: one
  // that was woken to follow it may leave at once, as its own outcomes have come, or its patience is over.
  class hands_over {
   public:
    hands_over(state& of, const std::unique_lock<std::mutex>& lock) noexcept : of_(of), lock_(lock) {}
    hands_over(const hands_over&) = delete;
    hands_over& operator=(const hands_over&) = delete;
    ~hands_over() {
      if (lock_.owns_lock()) of_.hand_over();
    }

   private:
    state& of_;
    const std::unique_lock<std::mutex>& lock_;
  };
  void hand_over() noexcept {
    if (collecting_) return;
    const auto next = std::ranges::find_if(jobs_, [](const auto& each) { return each->waiting_ > 0; });
    if (next != jobs_.end()) (*next)->news_.notify_all();
  }

  // Of the thread that collects. Without the lock, which it takes back at the end.
  class role {
   public:
    role(state& of, std::unique_lock<std::mutex>& lock) : of_(of), lock_(lock) {
      of_.collecting_ = true;
      lock_.unlock();
    }
    role(const role&) = delete;
    role& operator=(const role&) = delete;
    ~role() {
      lock_.lock();
      of_.collecting_ = false;
    }

   private:
    state& of_;
    std::unique_lock<std::mutex>& lock_;
  };

  static unsigned workers_of(const pool_terms& terms) { return terms.workers != 0 ? terms.workers : usable_cores(); }
  static options options_of(const pool_terms& terms) {
    options chosen;
    chosen.memory_limit = terms.memory_limit;
    chosen.seed = 0;  // each batch has its own
    chosen.window = 2 * most_in_flight - ring_pace().untold;
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
  void throw_if_broken() const {
    if (broken_) std::rethrow_exception(broken_);
  }

  // ---- sending

  // Sends as many tasks as keep the workers busy until the next time; not more, so that the tasks of another job do not
  // wait long. Of a function that is not known yet, single tasks and few. Of one of which few tasks have ended not many
  // more are sent than those: the next ones may take long, or fail, and what is tried again, or is another job's, waits
  // behind them.
  void send_some(pool_job& it) {
    while (it.postponed_.is_due()) it.pieces_.push_front(it.postponed_.take_first().what);
    if (it.halted_ || it.pieces_.empty()) return;
    const std::uint64_t begun = sent_.next();
    const std::uint64_t target = most_in_flight_of(it);
    const std::uint64_t most_batches = it.on_.most_at_once != 0 ? it.on_.most_at_once : most_batches_of_job;
    if (it.in_flight_ >= target || (it.in_flight_ > target / 2 && it.on_.most_at_once == 0)) return;
    while (!it.pieces_.empty() && it.in_flight_ < target && sent_.tasks() < most_in_flight &&
           it.batches_ < most_batches && sent_.has_room()) {
      pool_job::piece& from = it.pieces_.front();
      if (from.attempt == 1 && from.task >= it.limit_) break;
      const std::uint64_t open = from.attempt == 1 ? it.limit_ - from.task : 1;
      send(it, from,
           std::min({batch_size(it, from), from.count, open, target - it.in_flight_, most_in_flight - sent_.tasks(),
                     max_round - sent_.next() % max_round}));
      if (from.count == 0) it.pieces_.pop_front();
    }
    if (sent_.next() != begun) processes_.allow(sent_.next());
  }
  void send(pool_job& it, pool_job::piece& from, std::uint64_t count) {
    sent_batch made{.number = 0,
                    .count = count,
                    .left = count,
                    .task = from.task,
                    .attempt = from.attempt,
                    .job = it.shared_from_this(),
                    .function = from.function ? from.function : it.function_,
                    .inputs = from.inputs};
    if (sent_.add(std::move(made), it.on_.seed, it.on_.timeout)) processes_.wake_supervisor();
    it.in_flight_ += count;
    ++it.batches_;
    from.task += count;
    from.count -= count;
  }
  [[nodiscard]] double mean_ticks(const pool_job& it, const pool_job::piece& of) const noexcept {
    return (of.function ? of.function : it.function_)->mean_ticks;
  }
  [[nodiscard]] std::uint64_t most_in_flight_of(const pool_job& it) const noexcept {
    const std::uint64_t n = workers();
    const pool_job::piece& next = it.pieces_.front();
    const double mean = mean_ticks(it, next);
    const std::uint64_t known = 8 * n + (next.function ? next.function : it.function_)->ended;
    const double enough = mean > 0 ? static_cast<double>(to_ticks(std::chrono::milliseconds(20))) / mean : 0;
    const std::uint64_t most =
        mean > 0 ? std::max(4 * n, n * static_cast<std::uint64_t>(std::min(enough, 1e6))) : 8 * n;
    const bool alone =
        std::ranges::none_of(jobs_, [&it](const auto& each) { return each.get() != &it && !each->pieces_.empty(); });
    return std::min({most, known, alone ? most_in_flight : most_beside_others});
  }
  // As in chunk_pacer.
  [[nodiscard]] std::uint64_t batch_size(const pool_job& it, const pool_job::piece& of) const noexcept {
    const double mean = mean_ticks(it, of);
    if (mean <= 0) return 1;
    const auto in = [mean](std::chrono::microseconds span) {
      return static_cast<std::uint64_t>(static_cast<double>(to_ticks(span)) / mean);
    };
    const std::uint64_t fair = (of.count - 1) / workers() + 1;
    const std::uint64_t even = std::min(in(std::chrono::microseconds(50)), (fair + 1) / 2);
    return std::max({even, std::min(fair, in(std::chrono::microseconds(2))), std::uint64_t{1}});
  }

  // ---- collecting

  // In the role of the collector. Takes outcomes of all jobs; waits for one at most for `nap`.
  void look(pool_job& mine, std::chrono::nanoseconds nap) {
    constexpr std::uint64_t most = 1024;
    stream_processes::found found = find(nap);
    for (std::uint64_t k = 0; found.how == arrival::outcome;) {
      const std::uint64_t values = found.ring != nullptr ? take_values(*found.ring, found.worker, mine) : 0;
      if (values == 0) take(found, mine);
      send_further();
      k += std::max<std::uint64_t>(values, 1);
      if (k >= most) return;  // before the next find(), which takes a failure out of its ring
      if (found.ring == nullptr || !found.ring->look()) found = find(std::chrono::nanoseconds(0));
    }
  }
  stream_processes::found find(std::chrono::nanoseconds nap) {
    try {
      stream_processes::found found = processes_.find(nap);
      if (found.how == arrival::end) throw std::runtime_error("parmap: the workers of this pool have ended");
      return found;
    } catch (...) {
      const std::lock_guard lock(lock_);
      break_down();
    }
  }
  // Call in a catch block, with the lock: from now on the pool throws this exception.
  [[noreturn]] void break_down() {
    broken_ = std::current_exception();
    for (const auto& each : jobs_) each->news_.notify_all();
    throw;
  }
  void send_further() {
    const std::lock_guard lock(lock_);
    for (const auto& each : jobs_)
      if (!each->pieces_.empty()) send_some(*each);
  }

  // Takes the outcome from its ring, if there is one. A worker may wait for the room of large ones.
  class taken_at_end {
   public:
    taken_at_end(state& of, ring_reader* ring) noexcept : of_(of), ring_(ring) {}
    taken_at_end(const taken_at_end&) = delete;
    taken_at_end& operator=(const taken_at_end&) = delete;
    ~taken_at_end() {
      if (ring_ == nullptr) return;
      const std::uint64_t size = ring_->cell().is_in_heap() ? ring_->cell().size() : 0;
      of_.untold_bytes_ += size;
      ring_->take();
      if (size >= much_memory) of_.processes_.ring();
      if (of_.untold_bytes_ < much) return;
      of_.untold_bytes_ = 0;
      of_.processes_.wake_workers();
    }

   private:
    static constexpr std::uint64_t much = 256 << 10;

    state& of_;
    ring_reader* ring_;
  };
  // The outcomes of one batch that have been taken. The lock is taken again only when there is no further one.
  class values_of_batch {
   public:
    values_of_batch(state& of, batches_in_flight::place at) noexcept : of_(of), at_(at), left_(at->second.left) {}
    values_of_batch(const values_of_batch&) = delete;
    values_of_batch& operator=(const values_of_batch&) = delete;
    ~values_of_batch() {
      const std::lock_guard lock(of_.lock_);
      pool_job& job = *at_->second.job;
      job.taken_ += taken_;
      if (job.waiting_ > 0) job.news_.notify_all();
      of_.end_some(at_, taken_, ticks_);
    }

    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
    [[nodiscard]] bool has(const ring_cell& it) const noexcept {
      return it.kind() == ring_cell::value && taken_ < left_ && it.task - at_->first < at_->second.count;
    }
    void take(ring_reader& ring, unsigned worker) {
      const ring_cell& it = ring.cell();
      const taken_at_end done(of_, &ring);
      ++taken_;
      ticks_ += it.extent;
      const sent_batch& batch = at_->second;
      batch.job->owner_->take({.task = batch.task + (it.task - at_->first),
                               .attempt = batch.attempt,
                               .worker = worker,
                               .spent = it.extent,
                               .bytes = ring.bytes()});
    }

   private:
    state& of_;
    batches_in_flight::place at_;  // stays, as only the collector drops batches
    std::uint64_t left_;
    std::uint64_t taken_{};
    ticks ticks_{};
  };
  // Takes values of `mine` from this ring, as long as they are of one batch. Returns how many.
  std::uint64_t take_values(ring_reader& ring, unsigned worker, pool_job& mine) {
    auto at = sent_.end();
    {
      const std::lock_guard lock(lock_);
      at = batch_with(ring.cell().task);
      if (at->second.job.get() != &mine || mine.owner_ == nullptr) return 0;
    }
    values_of_batch all(*this, at);
    while (all.has(ring.cell())) {
      all.take(ring, worker);
      if (!ring.look()) break;
    }
    return all.taken();
  }
  // With the lock.
  [[nodiscard]] batches_in_flight::place batch_with(std::uint64_t number) {
    const auto at = sent_.with(number);
    if (at != sent_.end() && at->second.left > 0) return at;
    try {
      throw_overwritten("a task has ended that was not sent");
    } catch (...) {
      break_down();
    }
  }

  void take(stream_processes::found& found, pool_job& mine) {
    const ring_cell* const cell = found.ring != nullptr ? &found.ring->cell() : nullptr;
    const std::uint64_t number = cell != nullptr ? cell->task : found.why.index;
    pool_outcome it{.worker = found.worker, .spent = cell != nullptr ? cell->extent : found.spent};
    failure why = std::move(found.why);
    if (cell != nullptr && cell->kind() == ring_cell::stopped) why = failure{0, failure_kind::stopped};
    else if (cell != nullptr) it.bytes = found.ring->bytes();
    const bool failed = cell == nullptr || cell->kind() == ring_cell::stopped;
    const taken_at_end done(*this, found.ring);
    std::shared_ptr<pool_job> of;
    {
      const std::lock_guard lock(lock_);
      of = end_one(number, it, failed);
      if (of.get() != &mine) {
        if (failed) note_attempt(why, it);
        put_into_inbox(*of, it, failed ? &why : nullptr);
        return;
      }
    }
    if (failed) note_attempt(why, it);
    if (failed) it.why = &why;
    give(*of, it);
  }
  static void note_attempt(failure& why, const pool_outcome& it) {
    why.index = it.task;
    why.attempts = why.kind == failure_kind::stopped ? it.attempt - 1 : it.attempt;
  }

  // A task of the stream has ended: sets which it is of its job. With the lock.
  std::shared_ptr<pool_job> end_one(std::uint64_t number, pool_outcome& it, bool failed) {
    const auto at = batch_with(number);
    const sent_batch& batch = at->second;
    it.task = batch.task + (number - at->first);
    it.attempt = batch.attempt;
    std::shared_ptr<pool_job> of = batch.job;
    if (failed && of->owner_ != nullptr) of->failed_.push_back({it.task, 1, batch.inputs, it.attempt, batch.function});
    end_some(at, 1, it.spent);
    return of;
  }
  // Tasks of a batch have ended, which took so many ticks; 0: unknown.
  void end_some(batches_in_flight::place at, std::uint64_t tasks, ticks took) {
    if (tasks == 0) return;
    const std::shared_ptr<pool_job> of = at->second.job;
    if (took > 0) {
      double& mean = at->second.function->mean_ticks;
      const auto count = static_cast<double>(tasks);
      const double latest = static_cast<double>(took) / count;
      mean = mean == 0 ? latest : mean + (latest - mean) * std::min(1.0, count / 8);
    }
    at->second.function->ended += tasks;
    of->in_flight_ -= tasks;
    if (sent_.end_some(at, tasks)) --of->batches_;
  }
  void put_into_inbox(pool_job& of, const pool_outcome& it, const failure* why) {
    if (of.owner_ == nullptr) return;
    pool_job::arrived& made = of.inbox_.emplace_back();
    made.what = it;
    made.failed = why != nullptr;
    if (why != nullptr) made.why = *why;
    made.has_bytes = it.bytes.has_value();
    if (it.bytes) {
      byte_reader bytes = *it.bytes;
      const std::size_t size = bytes.left();
      const std::byte* const from = bytes.read(size);
      made.bytes.assign(from, from + size);
    }
    of.news_.notify_all();
  }
  void put_stopped(pool_job& of, std::uint64_t task, unsigned attempt) {
    const failure why{task, failure_kind::stopped, "", attempt - 1};
    put_into_inbox(of, {.task = task, .attempt = attempt}, &why);
  }
  arrival give_inbox(pool_job& mine, std::unique_lock<std::mutex>& lock) {
    std::deque<pool_job::arrived> all = std::exchange(mine.inbox_, {});
    lock.unlock();
    for (pool_job::arrived& each : all) {
      if (each.failed) each.what.why = &each.why;
      if (each.has_bytes) each.what.bytes.emplace(each.bytes.data(), each.bytes.size());
      give(mine, each.what);
    }
    return arrival::outcome;
  }
  // Without the lock.
  void give(pool_job& to, const pool_outcome& it) {
    pool_owner* owner = nullptr;
    {
      const std::lock_guard lock(lock_);
      owner = to.owner_;
    }
    if (owner != nullptr) owner->take(it);
    const std::lock_guard lock(lock_);
    if (it.why != nullptr)
      std::erase_if(to.failed_, [&it](const pool_job::piece& each) { return each.task == it.task; });
    ++to.taken_;
    if (to.waiting_ > 0) to.news_.notify_all();
  }

  // ---- killing

  // What runs of the job is to end: see task_orders.
  void end_running(const pool_job& it, std::optional<std::uint64_t> task) {
    const std::uint64_t origin = sent_.first() / max_round * max_round;
    for (unsigned w = 0; w < workers(); ++w)
      if (const auto running = processes_.runs(w)) {
        const std::uint64_t number = origin + *running;
        const auto at = sent_.with(number);
        if (at == sent_.end() || at->second.job.get() != &it) continue;
        if (!task || at->second.task + (number - at->first) == *task) memory_.end(w, number);
      }
    processes_.wake_supervisor();
  }

  std::uint64_t generation_{fork_generation()};
  mutable std::mutex lock_;  // of all but the store
  pool_memory memory_;
  pool_tasks tasks_;
  sent_store store_;
  batches_in_flight sent_;
  stream_processes processes_;
  std::vector<std::shared_ptr<pool_job>> jobs_;  // that are open
  bool collecting_{};                            // a thread takes outcomes
  std::uint64_t untold_bytes_{};  // the collector's: bytes of outcomes since it woke workers that wait for room
  std::exception_ptr broken_;
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
PARMAP_INLINE std::shared_ptr<pool_job> pool_dispatcher::open(const pool_job::terms& on,
                                                              std::shared_ptr<kept_function> f, pool_owner& by) {
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
PARMAP_INLINE arrival pool_dispatcher::collect(pool_job& mine, std::chrono::nanoseconds patience,
                                               std::optional<std::uint64_t> seen) {
  return state_->collect(mine, patience, seen);
}
PARMAP_INLINE std::uint64_t pool_dispatcher::taken(const pool_job& it) const { return state_->taken(it); }

}  // namespace parmap::inline PARMAP_ABI::detail
