// SPDX-License-Identifier: MIT
// outcome_collector: of the threads that wait for outcomes of a pool, one at a time collects those of all jobs.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/batch_sender.hpp>
#include <parmap/detail/pools/batches_in_flight.hpp>
#include <parmap/detail/pools/pool_job.hpp>
#include <parmap/detail/pools/unsent_tasks.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/system/give_back.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Any thread may call collect(). If there is no memory for an outcome it throws std::bad_alloc, and the outcome is
// found again the next time.
class outcome_collector {
 public:
  using jobs = batch_sender::jobs;

  // `lock`: of the jobs and of the sender.
  outcome_collector(std::mutex& lock, stream_processes& processes, batch_sender& sender, const jobs& all) noexcept
      : lock_(lock),
        processes_(processes),
        sender_(sender),
        jobs_(all) {}
  outcome_collector(const outcome_collector&) = delete;
  outcome_collector& operator=(const outcome_collector&) = delete;

  // With the lock: what has ended the pool, if anything has.
  void throw_if_broken() const {
    if (broken_) std::rethrow_exception(broken_);
  }
  [[nodiscard]] bool is_broken() const noexcept { return broken_ != nullptr; }
  // From now on it throws this.
  void set_broken(std::exception_ptr why) noexcept { broken_ = std::move(why); }
  // With the lock: a task of the job will not be sent. It has this outcome.
  [[nodiscard]] static std::list<pool_job::arrived> stopped(std::uint64_t task, unsigned attempt) {
    std::list<pool_job::arrived> one(1);
    one.front().what = {.task = task, .attempt = attempt};
    one.front().failed = true;
    one.front().why = failure{task, failure_kind::stopped, "", attempt - 1};
    return one;
  }
  static void put_into_inbox(pool_job& of, std::list<pool_job::arrived>& some) noexcept {
    if (of.owner_ == nullptr) return;
    of.inbox_.splice(of.inbox_.end(), some);
    of.news_.notify_all();
  }

  // With the lock: whether a value for another thread, for which there is no memory, is to be lost: its task fails
  // then.
  void pass_on_without_memory(bool yes) noexcept { passes_on_ = yes; }

  // See pool_dispatcher.
  arrival collect(pool_job& mine, std::chrono::nanoseconds patience, std::optional<std::uint64_t> seen) {
    using clock = std::chrono::steady_clock;
    std::unique_lock lock(lock_);
    const hands_over at_end(*this, lock);
    const std::uint64_t before = seen.value_or(mine.taken_);
    std::optional<clock::time_point> until;
    for (bool looked = false;; looked = true) {
      throw_if_broken();
      if (!mine.inbox_.empty()) {
        hand_over();
        give_inbox(mine, lock);
        return arrival::outcome;
      }
      if (mine.taken_ != before) return arrival::outcome;
      if (mine.is_over()) return arrival::end;
      sender_.send_some(mine);
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

 private:
  static constexpr std::chrono::hours longest{24};

  // Of a thread that leaves collect(): one of those that wait is to collect. Not only the collector hands over: one
  // that was woken to follow it may leave at once, as its own outcomes have come, or its patience is over.
  class hands_over {
   public:
    hands_over(outcome_collector& of, const std::unique_lock<std::mutex>& lock) noexcept : of_(of), lock_(lock) {}
    hands_over(const hands_over&) = delete;
    hands_over& operator=(const hands_over&) = delete;
    ~hands_over() {
      if (lock_.owns_lock()) of_.hand_over();
    }

   private:
    outcome_collector& of_;
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
    role(outcome_collector& of, std::unique_lock<std::mutex>& lock) : of_(of), lock_(lock) {
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
    outcome_collector& of_;
    std::unique_lock<std::mutex>& lock_;
  };

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
    if (unplaced_) return *std::exchange(unplaced_, std::nullopt);
    try {
      stream_processes::found found = processes_.find(nap);
      if (found.how == arrival::end) throw std::runtime_error("parmap: the workers of this pool have ended");
      return found;
    } catch (const supervisor_without_memory&) {
      const std::lock_guard lock(lock_);
      break_down();
    } catch (const std::bad_alloc&) {
      throw;  // of this call alone: what it has not read is still there
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
    sender_.send_further();
  }

  // Takes the outcome from its ring, if there is one. A worker may wait for the room of large ones.
  class taken_at_end {
   public:
    taken_at_end(outcome_collector& of, ring_reader* ring) noexcept : of_(of), ring_(ring) {}
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

    outcome_collector& of_;
    ring_reader* ring_;
  };
  // The outcomes of one batch that have been taken. The lock is taken again only when there is no further one.
  class values_of_batch {
   public:
    values_of_batch(outcome_collector& of, batches_in_flight::place at) noexcept
        : of_(of),
          at_(at),
          left_(at->second.left) {}
    values_of_batch(const values_of_batch&) = delete;
    values_of_batch& operator=(const values_of_batch&) = delete;
    ~values_of_batch() {
      const std::lock_guard lock(of_.lock_);
      pool_job& job = *at_->second.job;
      job.taken_ += taken_;
      if (job.waiting_ > 0) job.news_.notify_all();
      of_.sender_.end_some(at_, taken_, ticks_);
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
    outcome_collector& of_;
    batches_in_flight::place at_;  // stays, as only the collector drops batches
    std::uint64_t left_;
    std::uint64_t taken_{};
    ticks ticks_{};
  };
  // Takes values of `mine` from this ring, as long as they are of one batch. Returns how many.
  std::uint64_t take_values(ring_reader& ring, unsigned worker, pool_job& mine) {
    batches_in_flight::place at;
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
    batches_in_flight& sent = sender_.sent();
    const auto at = sent.with(number);
    if (at != sent.end() && at->second.left > 0) return at;
    try {
      throw_overwritten("a task has ended that was not sent");
    } catch (...) {
      break_down();
    }
  }

  // What is made of an outcome before it is taken: that may throw.
  struct prepared {
    pool_outcome what;
    bool failed{};
    std::shared_ptr<pool_job> job;
    pool_job::failed_tasks again;         // the task, until its owner has said whether to try it again
    std::list<pool_job::arrived> copies;  // for another thread
  };
  // With the lock.
  prepared prepare(const stream_processes::found& found, batches_in_flight::place at, const pool_job& mine) {
    const ring_cell* const cell = found.ring != nullptr ? &found.ring->cell() : nullptr;
    const sent_batch& batch = at->second;
    prepared made;
    made.failed = cell == nullptr || cell->kind() == ring_cell::stopped;
    made.job = batch.job;
    made.what = {.task = batch.task + (number_of(found) - at->first),
                 .attempt = batch.attempt,
                 .worker = found.worker,
                 .spent = cell != nullptr ? cell->extent : found.spent};
    if (!made.failed) made.what.bytes = found.ring->bytes();
    const bool is_awaited = made.job->owner_ != nullptr;
    if (made.failed && is_awaited)
      made.again.emplace(made.what.task,
                         task_piece{made.what.task, 1, batch.inputs, made.what.attempt, batch.function});
    if (made.job.get() == &mine || !is_awaited) return made;
    pool_job::arrived& copy = made.copies.emplace_back();
    copy.what = made.what;
    copy.failed = made.failed;
    if (made.what.bytes) copy_bytes(*made.what.bytes, copy);
    return made;
  }
  void copy_bytes(byte_reader bytes, pool_job::arrived& to) const {
    const std::size_t size = bytes.left();
    const std::byte* const from = bytes.read(size);
    try {
      to.bytes.assign(from, from + size);
      to.has_bytes = true;
    } catch (const std::bad_alloc&) {
      if (!passes_on_) throw;
      to.failed = true;
      to.why = failure{to.what.task, failure_kind::out_of_memory, {}, to.what.attempt};
    }
  }
  [[nodiscard]] static std::uint64_t number_of(const stream_processes::found& found) noexcept {
    return found.ring != nullptr ? found.ring->cell().task : found.why.index;
  }
  void take(stream_processes::found& found, pool_job& mine) {
    prepared it;
    std::unique_lock lock(lock_);
    const auto at = batch_with(number_of(found));
    try {
      it = prepare(found, at, mine);
    } catch (...) {
      if (found.ring == nullptr) unplaced_ = std::move(found);  // else it is still in its ring
      throw;
    }
    const taken_at_end done(*this, found.ring);
    failure why = found.ring != nullptr ? failure{0, failure_kind::stopped} : std::move(found.why);
    why.index = it.what.task;
    why.attempts = why.kind == failure_kind::stopped ? it.what.attempt - 1 : it.what.attempt;
    it.job->failed_.merge(it.again);
    sender_.end_some(at, 1, it.what.spent);
    if (it.job.get() != &mine) {
      if (it.failed && !it.copies.empty()) it.copies.front().why = std::move(why);
      return put_into_inbox(*it.job, it.copies);
    }
    lock.unlock();
    if (it.failed) it.what.why = &why;
    give(mine, it.what);
  }
  // If an owner throws, the rest stays for the next time.
  void give_inbox(pool_job& mine, std::unique_lock<std::mutex>& lock) {
    std::list<pool_job::arrived> all;
    all.swap(mine.inbox_);
    lock.unlock();
    try {
      while (!all.empty()) {
        std::list<pool_job::arrived> one;
        one.splice(one.begin(), all, all.begin());
        pool_job::arrived& it = one.front();
        if (it.failed) it.what.why = &it.why;
        if (it.has_bytes) it.what.bytes.emplace(it.bytes.data(), it.bytes.size());
        give(mine, it.what);
      }
    } catch (...) {
      const std::lock_guard held(lock_);
      if (mine.owner_ != nullptr) mine.inbox_.splice(mine.inbox_.begin(), all);
      throw;
    }
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
    if (it.why != nullptr) to.failed_.erase(it.task);
    ++to.taken_;
    if (to.waiting_ > 0) to.news_.notify_all();
  }

  std::mutex& lock_;
  stream_processes& processes_;
  batch_sender& sender_;
  const jobs& jobs_;
  bool collecting_{};  // a thread takes outcomes
  std::exception_ptr broken_;
  bool passes_on_{};
  // The collector's.
  std::uint64_t untold_bytes_{};                     // of outcomes since it woke workers that wait for room
  std::optional<stream_processes::found> unplaced_;  // a failure for which there was no memory
};

}  // namespace parmap::inline PARMAP_ABI::detail
