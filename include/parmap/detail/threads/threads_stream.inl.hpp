// SPDX-License-Identifier: MIT
// The bodies of threads_stream.hpp.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/floating_environment.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/detail/system/signal_mask.hpp>
#include <parmap/detail/threads/deadline_watch.hpp>
#include <parmap/detail/threads/postponed_retries.hpp>
#include <parmap/detail/threads/threads_stream.hpp>
#include <parmap/detail/threads/timeout_watch.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <limits>
#include <stop_token>
#include <system_error>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

class stream_threads::crew {
 public:
  crew(std::vector<worker> workers, const options& chosen, std::optional<std::uint64_t> size, bool measures)
      : workers_(std::move(workers)),
        options_(chosen),
        measures_(measures),
        size_(size) {
    stop_ = own_stop_.get_token();
    if (const deadline last(chosen.deadline); last.is_set()) {
      at_deadline_.emplace(last, stop_, [this] { halt(end_reason::deadline); });
      stop_ = at_deadline_->token();
    }
    if (postpones_retries(chosen)) postponed_.emplace(chosen);
    if (chosen.timeout) watch_.emplace(*chosen.timeout, static_cast<unsigned>(workers_.size()), stop_);
    on_stop_.emplace(chosen.stop, [this] {
      halt(end_reason::stop);
      own_stop_.request_stop();
    });
    start_threads();
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() {
    halt(end_reason::stop);
    own_stop_.request_stop();
    threads_.clear();
  }

  bool allow(std::uint64_t limit) {
    {
      const std::scoped_lock lock(claims_);
      if (halted_.load(std::memory_order_relaxed)) return false;
      limit_ = limit;
    }
    claimable_.notify_all();
    return true;
  }
  void end_at(std::uint64_t tasks) {
    {
      const std::scoped_lock lock(claims_);
      size_ = tasks;
    }
    claimable_.notify_all();
  }

  // The first reason stays.
  enum class end_reason { none, stop, max_failures, deadline, error };
  void halt(end_reason reason) noexcept {
    {
      const std::scoped_lock lock(claims_);
      if (reason_ == end_reason::none) reason_ = reason;
      halted_.store(true, std::memory_order_release);
    }
    claimable_.notify_all();
  }

  [[nodiscard]] bool ended() const {
    if (alive_.load(std::memory_order_acquire) > 0) return false;
    if (error_) std::rethrow_exception(error_);
    return true;
  }
  [[nodiscard]] never_begun rest() const {
    const std::scoped_lock lock(claims_);
    return {next_, std::max(next_, size_.value_or(limit_)), why_stopped()};
  }

  void announce_sleep() noexcept { asleep_.store(1); }
  void sleep(std::chrono::nanoseconds limit) noexcept {
    if (alive_.load(std::memory_order_acquire) > 0) futex_wait(asleep_, 1, limit);
  }
  void wake_up() noexcept { asleep_.store(0); }

 private:
  struct overran {};

  // A worker's gate. It sends what has ended, before the next task begins.
  class gate final : public task_gate {
   public:
    gate(crew& of, worker_outbox& outbox) noexcept
        : task_gate(&of.halted_, of.options_.stop),
          crew_(of),
          outbox_(outbox) {
      set_watched();
    }
    // The time since the task began that runs, or has failed.
    [[nodiscard]] ticks spent() const noexcept { return crew_.measures_ ? now_ticks() - begun_ : 0; }

   private:
    void begin_watch(context& self) override {
      if (crew_.watch_) self.set_stop_token(crew_.watch_->begin(self.worker()));
      if (crew_.measures_) begun_ = now_ticks();
    }
    void end_watch(context& self) override {
      if (crew_.watch_ && crew_.watch_->end(self.worker())) throw overran{};
      outbox_.send_value(attempt(), spent());
      crew_.tell_caller();
    }

    crew& crew_;
    worker_outbox& outbox_;
    ticks begun_{};
  };

  void start_threads() {
    const signals_blocked here;  // signals of the process are for the caller's threads
    alive_.store(static_cast<unsigned>(workers_.size()), std::memory_order_relaxed);
    threads_.reserve(workers_.size());
    try {
      for (unsigned w = 0; w < workers_.size(); ++w)
        threads_.emplace_back([this, w, outer = outer_signal_mask().value_or(here.before())] {
          outer_signal_mask() = outer;
          const outer_mask_scope as_the_caller;
          environment_.apply();
          live(w);
        });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;
      alive_.fetch_sub(static_cast<unsigned>(workers_.size() - threads_.size()));
    }
  }

  // What unwinds a thread that is cancelled in a task passes.
  PARMAP_CATCHES_FORCED_UNWIND void live(unsigned w) {
    struct leaver {
      crew& of;
      explicit leaver(crew& it) : of(it) {}
      leaver(const leaver&) = delete;
      leaver& operator=(const leaver&) = delete;
      ~leaver() {
        of.alive_.fetch_sub(1, std::memory_order_acq_rel);
        of.tell_caller();
      }
    };
    const leaver at_end(*this);
    try {
      const task_scope inside;
      context self(*options_.seed, w, stop_);
      gate between(*this, *workers_[w].outbox);
      chunk_pacer pace(static_cast<unsigned>(workers_.size()));
      while (const auto chunk = claim(pace)) {
        const ticks then = now_ticks();
        run_chunk(*chunk, self, between);
        pace.ran(static_cast<round_index>(chunk->e - chunk->b), now_ticks() - then);
      }
      workers_[w].tasks->end_worker(self);
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {
      give_up();
    }
  }
  // Inside a catch block: the stream ends with this exception.
  void give_up() noexcept {
    {
      const std::scoped_lock lock(claims_);
      if (!error_) error_ = std::current_exception();
    }
    halt(end_reason::error);
  }

  struct piece {
    std::uint64_t b;
    std::uint64_t e;
    unsigned attempt;  // of the first task
  };
  // Waits until there is something to run; nothing, if nothing will come.
  std::optional<piece> claim(const chunk_pacer& pace) {
    std::unique_lock lock(claims_);
    for (;;) {
      if (halted_.load(std::memory_order_relaxed)) {
        lock.unlock();
        stop_postponed();
        return std::nullopt;
      }
      if (postponed_)
        if (const auto due = postponed_->take_due()) return piece{due->index, due->index + 1, due->attempts + 1};
      const std::uint64_t end = std::min(size_.value_or(limit_), limit_);
      if (next_ < end) {
        const auto left = static_cast<round_index>(std::min(end - next_, max_round));
        const std::uint64_t b = next_;
        next_ += pace.chunk(left);
        return piece{b, next_, 1};
      }
      if (size_ && next_ >= *size_ && !waits_for_retry()) return std::nullopt;
      wait(lock);
    }
  }
  [[nodiscard]] bool waits_for_retry() { return postponed_ && (running_ > 0 || !postponed_->empty()); }
  void wait(std::unique_lock<std::mutex>& lock) {
    const auto due = postponed_ ? postponed_->next_due() : std::nullopt;
    if (due) claimable_.wait_until(lock, *due);
    else claimable_.wait(lock);
  }
  // Postponed tasks of a halted stream are not tried again.
  void stop_postponed() {
    if (!postponed_) return;
    while (const auto task = postponed_->take())
      send_failure(*workers_[0].outbox,
                   failure{task->index, failure_kind::stopped, locked_why_stopped(), task->attempts}, 0);
  }

  PARMAP_CATCHES_FORCED_UNWIND void run_chunk(const piece& mine, context& self, gate& between) {
    const placed_tasks& tasks = *workers_[self.worker()].tasks;
    worker_outbox& outbox = *workers_[self.worker()].outbox;
    task_chunk chunk{mine.b, mine.e, &between};
    between.set_attempt(mine.attempt);
    const running_one counted(*this);
    for (;;) {
      const std::uint64_t from = chunk.at;
      try {
        tasks.run(chunk, self);
        break;
      } catch (const forced_unwind&) {
        throw;
      } catch (...) {
        const ticks spent = between.spent();
        outbox.drop_value();
        if (chunk.at != from) between.set_attempt(1);
        failure why = describe(self, chunk.at, between.attempt());
        if (between.attempt() <= options_.retries && !postponed_) {
          between.set_attempt(between.attempt() + 1);
          continue;
        }
        if (!postpone(why)) {
          count_failure();
          send_failure(outbox, std::move(why), spent);
        }
        between.set_attempt(1);
        ++chunk.at;
      }
    }
    for (unsigned attempts = between.attempt() - 1; chunk.at < chunk.end; ++chunk.at, attempts = 0)
      send_failure(outbox, failure{chunk.at, failure_kind::stopped, locked_why_stopped(), attempts}, 0);
  }
  bool postpone(const failure& why) {
    if (!postponed_) return false;
    if (postponed_->add(why, [] {})) {
      claimable_.notify_all();
      return true;
    }
    if (postponed_->error()) {
      {
        const std::scoped_lock lock(claims_);
        if (!error_) error_ = postponed_->error();
      }
      halt(end_reason::error);
    }
    return false;
  }
  void count_failure() {
    if (options_.max_failures && failures_.fetch_add(1, std::memory_order_relaxed) + 1 >= *options_.max_failures)
      halt(end_reason::max_failures);
  }

  // Inside a catch block: what became of the task, which is no longer running.
  failure describe(const context& self, std::uint64_t i, unsigned attempt) {
    bool late = false;
    thrown what;
    try {
      throw;
    } catch (const overran&) {
      late = true;
    } catch (...) {
      late = watch_ && watch_->end(self.worker());
      what = describe_or_give_up();
    }
    if (late) return {i, failure_kind::timed_out, ran_past_limit(*options_.timeout), attempt, nullptr};
    return {i, what.kind, std::move(what.message), attempt, std::current_exception()};
  }

  void send_failure(worker_outbox& outbox, failure why, ticks spent) {
    outbox.send_failure(std::move(why), spent);
    tell_caller();
  }
  void tell_caller() noexcept {
    if (asleep_.load(std::memory_order_relaxed) == 0) return;  // see announce_sleep
    asleep_.store(0);
    futex_wake(asleep_, 1);
  }

  [[nodiscard]] std::string locked_why_stopped() const {
    const std::scoped_lock lock(claims_);
    return why_stopped();
  }
  // Under the lock.
  [[nodiscard]] std::string why_stopped() const {
    switch (reason_) {
      case end_reason::deadline: return deadline_text;
      case end_reason::max_failures: return max_failures_text;
      case end_reason::none:
      case end_reason::error:
      case end_reason::stop: break;
    }
    return stop_requested_text;
  }

  // Counts the chunks that run: their tasks may be postponed.
  class running_one {
   public:
    explicit running_one(crew& of) : crew_(of) {
      if (!of.postponed_) return;
      const std::scoped_lock lock(of.claims_);
      ++of.running_;
    }
    running_one(const running_one&) = delete;
    running_one& operator=(const running_one&) = delete;
    ~running_one() {
      if (!crew_.postponed_) return;
      {
        const std::scoped_lock lock(crew_.claims_);
        --crew_.running_;
      }
      crew_.claimable_.notify_all();
    }

   private:
    crew& crew_;
  };

  std::vector<worker> workers_;
  const options& options_;
  bool measures_;
  floating_environment environment_;  // the caller's
  mutable std::mutex claims_;
  std::condition_variable claimable_;
  std::optional<std::uint64_t> size_;
  std::uint64_t limit_{};
  std::uint64_t next_{};
  unsigned running_{};
  end_reason reason_{end_reason::none};
  std::exception_ptr error_;
  std::atomic<bool> halted_{false};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<unsigned> alive_{0};
  alignas(64) futex_word asleep_{0};
  std::stop_source own_stop_;
  std::stop_token stop_;
  std::optional<deadline_watch> at_deadline_;
  std::optional<postponed_retries> postponed_;
  std::optional<timeout_watch> watch_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::vector<std::jthread> threads_;
};

PARMAP_INLINE stream_threads::stream_threads(std::vector<worker> workers, const options& chosen,
                                             std::optional<std::uint64_t> size, bool measures)
    : crew_(std::make_unique<crew>(std::move(workers), chosen, size, measures)) {}
PARMAP_INLINE stream_threads::~stream_threads() = default;

PARMAP_INLINE bool stream_threads::allow(std::uint64_t limit) { return crew_->allow(limit); }
PARMAP_INLINE void stream_threads::end_at(std::uint64_t tasks) { crew_->end_at(tasks); }
PARMAP_INLINE void stream_threads::halt() noexcept { crew_->halt(crew::end_reason::stop); }
PARMAP_INLINE bool stream_threads::ended() const { return crew_->ended(); }
PARMAP_INLINE stream_threads::never_begun stream_threads::rest() const { return crew_->rest(); }
PARMAP_INLINE void stream_threads::announce_sleep() noexcept { crew_->announce_sleep(); }
PARMAP_INLINE void stream_threads::sleep(std::chrono::nanoseconds limit) noexcept { crew_->sleep(limit); }
PARMAP_INLINE void stream_threads::wake_up() noexcept { crew_->wake_up(); }

PARMAP_INLINE unsigned stream_threads::workers_for(const placed_tasks& tasks, const options& chosen,
                                                   std::optional<std::uint64_t> size) {
  refuse_what_threads_lack(tasks, chosen);
  const unsigned most = chosen.workers != 0 ? chosen.workers : usable_cores();
  return static_cast<unsigned>(std::clamp<std::uint64_t>(size.value_or(most), 1, most));
}

}  // namespace parmap::inline PARMAP_ABI::detail
