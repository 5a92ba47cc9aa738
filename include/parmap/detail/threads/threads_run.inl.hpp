// SPDX-License-Identifier: MIT
// The bodies of threads_run.hpp.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/observers/attempt_teller.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/task_tally.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/floating_environment.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/detail/threads/deadline_watch.hpp>
#include <parmap/detail/threads/postponed_retries.hpp>
#include <parmap/detail/threads/thread_pool.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/detail/threads/timeout_watch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string ran_past_limit(std::chrono::nanoseconds limit) {
  return "ran past its limit of " + to_text(limit) +
         "; raise options.timeout, or let the task check context::stop_token() more often";
}

PARMAP_INLINE void refuse_what_threads_lack(const placed_tasks& tasks, const options& chosen) {
  constexpr const char* name = "threads";
  if (chosen.timeout && !tasks.take_context())
    refuse(name, "timeout for this f",
           "because a thread cannot be killed; let f take parmap::context& first and check its stop_token(), or use "
           "multi");
  if (chosen.memory_limit) refuse(name, "memory_limit", "because its tasks share one process; use multi");
}

// Tasks [from, from + tasks) on at most `workers` threads, the caller's among them.
class threads_run final : public job {
 public:
  threads_run(const placed_tasks& tasks, value_places& values, const options& chosen, task_tally& tally,
              std::uint64_t from, round_index size, unsigned workers, ticks begun)
      : tasks_(tasks),
        values_(values),
        options_(chosen),
        tally_(tally),
        from_(from),
        range_(size),
        workers_(workers),
        begun_(begun),
        careful_(tasks.take_context() || chosen.stop.stop_possible() || chosen.max_failures || chosen.deadline ||
                 tasks.observer() != nullptr) {
    if (tasks.observer() != nullptr) told_.emplace(tasks.observer());
    if (postpones_retries(chosen)) postponed_.emplace(chosen);
    if (chosen.timeout) watch_.emplace(*chosen.timeout, workers, chosen.stop);
  }

  void run() {
    if (workers_ == 1) take_part(0, begun_, [](ticks, const chunk_pacer&) {});
    else run_with_help();
    if (postponed_ && postponed_->error()) tally_.break_off(postponed_->error());
  }

  [[nodiscard]] bool wants_help() const noexcept override { return wants_more_help(); }
  [[nodiscard]] bool wants_more_help() const noexcept override {
    return !range_.unclaimed().empty() && joined_.load(std::memory_order_relaxed) < workers_;
  }
  void help() noexcept override {
    const unsigned worker = joined_.fetch_add(1, std::memory_order_relaxed);
    if (worker >= workers_) return;
    environment_.apply();
    take_part(worker, now_ticks(), [](ticks, const chunk_pacer&) {});
  }

 private:
  void run_with_help() {
    thread_pool::announcement notice(thread_pool::instance(), *this, workers_ - 1, begun_);
    bool hurried = false;
    take_part(0, begun_,
              [&, long_enough = to_ticks(worth_a_wake), telling = to_ticks(tells_the_rest)](ticks now,
                                                                                            const chunk_pacer& pace) {
                const ticks spent = now - begun_;
                if (hurried || spent < telling) return;
                if (spent < long_enough && !pace.take_longer(range_.unclaimed().size(), long_enough)) return;
                hurried = true;
                notice.hurry();
              });
    notice.close();
    while (!notice.alone() && !notice.wait(tally_.until_next_show())) tally_.show(now_ticks());
  }

  static constexpr std::chrono::microseconds worth_a_wake{25};  // a woken thread works after 12 to 50 µs, by machine
  // The first task's time has that of the announcement in it, some 0.2 us: times a thousand it would look like much
  // work.
  static constexpr std::chrono::microseconds tells_the_rest{2};

  // The task was still running when its time was over.
  struct overran {};

  // A worker's gate. With a timeout, each task has a stop token of its own.
  class gate final : public task_gate {
   public:
    gate(threads_run& of, const options& chosen) noexcept : task_gate(&of.tally_.halt_flag(), chosen.stop), run_(of) {
      if (of.watch_ || of.told_) set_watched();
    }

    // The attempt that runs has failed.
    void stop() noexcept {
      if (run_.told_) attempt_teller::stop(running_);
    }
    // After stop(). `again`: the task will be tried again.
    void tell_failure(const failure& why, bool again) {
      if (!run_.told_) return;
      if (again) run_.told_->fail(running_, why);
      else run_.told_->end(running_, {}, &why);
    }

   private:
    void begin_watch(context& self) override {
      if (run_.told_) run_.told_->begin(running_, self.position(), attempt(), self.worker());
      if (run_.watch_) self.set_stop_token(run_.watch_->begin(self.worker()));
    }
    void end_watch(context& self) override {
      if (run_.watch_ && run_.watch_->end(self.worker())) {
        run_.values_.discard(self.position());
        throw overran{};
      }
      if (run_.told_) run_.told_->end(running_, {.object = run_.values_.address(self.position())});
    }

    threads_run& run_;
    detail::attempt running_{};
  };

  // Throws only what unwinds the caller's thread if that is cancelled in a task.
  template <class AfterChunk>
  void take_part(unsigned worker, ticks now, AfterChunk&& after_chunk) {
    try {
      const task_scope inside;
      context self(*options_.seed, worker, options_.stop);
      gate between(*this, options_);
      if (told_) told_->tell(worker, worker_event::born);
      take_chunks(self, between, now, after_chunk);
      if (postponed_) run_postponed(self, between);
      tasks_.end_worker(self);
      if (told_) told_->tell(worker, worker_event::died);
    } catch (...) {
      give_up();
    }
  }
  // Inside a catch block. (No template: g++ would not heed the attribute there.)
  PARMAP_CATCHES_FORCED_UNWIND void give_up() {
    tally_.give_up();
    try {
      throw;
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {  // NOLINT(bugprone-empty-catch): the tally has it
    }
  }
  template <class AfterChunk>
  void take_chunks(context& self, gate& between, ticks then, AfterChunk& after_chunk) {
    const unsigned worker = self.worker();
    chunk_pacer pace(workers_);
    if (tasks_.blocks().size != 0) pace.keep_blocks(tasks_.blocks(), from_);
    for (;;) {
      round_index ran = 0;
      // While nobody has come to help the map is a short one, and the looks at the clock would be most of it.
      do {
        if (tally_.halted()) {
          const interval rest = range_.drain();
          tally_.add_never_begun(from_ + rest.b, from_ + rest.e);
          return;
        }
        const interval mine = range_.claim(worker, [&](interval all) { return pace.claim(all, worker); });
        if (mine.empty()) return;
        run_chunk(mine, self, between, 1);
        if (postponed_)
          while (const auto due = postponed_->take_due()) run_again(*due, self, between);
        ran += mine.size();
      } while (ran < pace.unwatched() && joined_.load(std::memory_order_relaxed) == 1);
      if (range_.unclaimed().empty()) return;
      const ticks now = now_ticks();
      pace.ran(ran, now - then);
      then = now;
      if (worker == 0) tally_.show(now);
      after_chunk(now, pace);
    }
  }

  // Runs postponed tasks when they are due, until none is left or the map is halted.
  void run_postponed(context& self, gate& between) {
    for (bool told = !told_;;) {
      if (tally_.halted()) {
        while (const auto task = postponed_->take())
          tally_.add_never_begun(task->index, task->index + 1, task->attempts);
        return;
      }
      if (const auto due = postponed_->take_due()) {
        run_again(*due, self, between);
        told = !told_;
      } else {
        if (!std::exchange(told, true)) told_->tell(self.worker(), worker_event::waits);
        if (!postponed_->wait()) return;
      }
      if (self.worker() == 0) tally_.show(now_ticks());
    }
  }
  // False if the failed task is not to be tried again. What options::retry_if throws halts the map.
  bool postpone(const failure& why, gate& between) {
    const bool added = postponed_->add(why, [&] { between.tell_failure(why, true); });
    if (!added && postponed_->error()) tally_.halt();
    return added;
  }
  void run_again(const postponed_retries::task& what, context& self, gate& between) {
    const auto i = static_cast<round_index>(what.index - from_);
    run_chunk({i, i + 1}, self, between, what.attempts + 1);
  }

  // `attempt`: of the first task.
  PARMAP_CATCHES_FORCED_UNWIND void run_chunk(const interval mine, context& self, gate& between, unsigned attempt) {
    task_chunk chunk{from_ + mine.b, from_ + mine.e, careful_ ? &between : nullptr};
    const std::uint64_t first = chunk.at;
    std::uint64_t without_value = 0;
    between.set_attempt(attempt);
    for (;;) {
      const std::uint64_t from = chunk.at;
      try {
        tasks_.run(chunk, self);
        break;
      } catch (const forced_unwind&) {
        throw;
      } catch (...) {
        between.stop();
        if (chunk.at != from) between.set_attempt(1);
        failure why = describe(self, chunk.at, between.attempt());
        if (between.attempt() <= options_.retries && !postponed_) {
          between.tell_failure(why, true);
          between.set_attempt(between.attempt() + 1);
          continue;
        }
        if (!postponed_ || !postpone(why, between)) {
          between.tell_failure(why, false);
          tally_.add_failure(std::move(why));
        }
        between.set_attempt(1);
        ++without_value;
        ++chunk.at;
      }
    }
    tally_.add_completed(chunk.at - first - without_value);
    if (chunk.at < chunk.end) tally_.add_never_begun(chunk.at, chunk.end, between.attempt() - 1);
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

  const placed_tasks& tasks_;
  value_places& values_;
  const options& options_;
  task_tally& tally_;
  std::uint64_t from_;
  unclaimed_range range_;
  unsigned workers_;
  floating_environment environment_;  // the caller's, which helpers take over
  ticks begun_;
  std::optional<attempt_teller> told_;
  bool careful_;
  std::atomic<unsigned> joined_{1};
  std::optional<timeout_watch> watch_;
  std::optional<postponed_retries> postponed_;
};

PARMAP_INLINE unsigned most_workers(std::uint64_t n, const options& chosen) {
  if (n == 1) return 1;
  return chosen.workers != 0 ? chosen.workers : usable_cores();
}

PARMAP_INLINE failure_list run_rounds_on_threads(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                                 const options& chosen, task_tally& tally, ticks begun) {
  const unsigned most = most_workers(n, chosen);
  for (std::uint64_t from = 0; from < n; from += std::min(n - from, max_round)) {
    const std::uint64_t size = std::min(n - from, max_round);
    const auto workers = static_cast<unsigned>(std::min<std::uint64_t>(most, size));
    threads_run(tasks, values, chosen, tally, from, static_cast<round_index>(size), workers, begun).run();
  }
  return tally.finish(values);
}

// Apart, so that a map without a deadline does not pay for it.
[[gnu::noinline]] PARMAP_INLINE failure_list run_until_deadline(const placed_tasks& tasks, value_places& values,
                                                                std::uint64_t n, const options& chosen,
                                                                task_tally& tally, ticks begun) {
  const deadline last(chosen.deadline);
  if (!last.is_set()) return run_rounds_on_threads(tasks, values, n, chosen, tally, begun);
  const deadline_watch watch(last, chosen.stop, [&tally] { tally.halt_at_deadline(); });
  options with_its_token = chosen;
  with_its_token.stop = watch.token();
  return run_rounds_on_threads(tasks, values, n, with_its_token, tally, begun);
}

PARMAP_INLINE failure_list run_on_threads(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                          const options& chosen) {
  refuse_what_threads_lack(tasks, chosen);
  // One task sets no pace, and the look would be a tenth of a short call.
  const ticks begun = n > 1 || !chosen.reporter.is_silent() ? now_ticks() : 0;
  task_tally tally("threads", chosen, n, begun);
  if (chosen.deadline) return run_until_deadline(tasks, values, n, chosen, tally, begun);
  return run_rounds_on_threads(tasks, values, n, chosen, tally, begun);
}

}  // namespace parmap::inline PARMAP_ABI::detail
