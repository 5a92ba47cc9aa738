// SPDX-License-Identifier: MIT
// worker_process: what a worker process does from its fork to its end.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/processes/worker_bell.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/exit_reports.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/memory_limit.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/detail/system/prefault.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/worker_assignment.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Call right after the fork, before any task. keep_from_children keeps the shared memory from children of tasks.
inline void become_worker(pid_t parent, worker_words& words, std::optional<std::uint64_t> memory_limit,
                          const std::function<bool()>& keep_from_children) noexcept {
  worker_identity::pid = ::getpid();
  worker_identity::caller = parent;
  worker_identity::origin = parent;
  worker_identity::words = &words;
  worker_identity::memory_limited = memory_limit.has_value();
  enter_worker();
  const auto require = [](bool done) {
    if (!done) leave_process(farewell::unfit, errno);
  };
  require(bound_early::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  step("pdeathsig", moment::after);
  if (bound_early::getppid() != parent) ::_exit(EXIT_FAILURE);  // the parent died before the prctl
  // Whoever ends what tasks have started finds it below this process, orphans too.
  static_cast<void>(bound_early::prctl(PR_SET_CHILD_SUBREAPER, 1UL));  // since Linux 3.4
  require(keep_from_children());
  begin_exit_reports();
  require(leave_at_exit());
  if (memory_limit) {
    require(limit_private_memory(*memory_limit));
    tell_of_refused_memory([] {
      if (worker_identity::memory_limited) worker_identity::say(farewell::starved, 0);
    });
  }
  step("prepared", moment::after);
}

// Waits until the supervisor holds the pidfd of this worker.
inline void await_go(std::atomic<std::uint32_t>& go) noexcept {
  const ticks until = now_ticks() + to_ticks(std::chrono::microseconds(20));
  while (go.load(std::memory_order_acquire) == 0 && now_ticks() < until) spin_pause();
  std::uint32_t expected = 0;
  step("go", moment::before);
  go.compare_exchange_strong(expected, 2, std::memory_order_acq_rel);
  step("go", moment::after);
  for (auto seen = go.load(std::memory_order_acquire); seen == 0 || seen == 2;
       seen = go.load(std::memory_order_acquire))
    futex_wait(go, 2, no_limit, futex_scope::shared);
  step("begin", moment::before);
  expected = 1;
  if (!go.compare_exchange_strong(expected, has_begun, std::memory_order_acq_rel))
    leave_process(expected == is_dismissed ? farewell::done : farewell::damaged, EXIT_SUCCESS);
  step("begin", moment::after);
}

// One worker of a map: claims and runs tasks until none is left.
class worker_process {
 public:
  // `slots`: the slots of all tasks of the map.
  worker_process(const process_tasks& tasks, std::byte* slots, const claim_ledger& book, const worker_arenas& arenas,
                 const worker_assignment& mine, stream_outlet* outlet = nullptr, attempt_log* log = nullptr)
      : tasks_(tasks),
        book_(book),
        arenas_(arenas),
        mine_(mine),
        news_(mine.news),
        outlet_(outlet),
        ahead_(slots, tasks.slots().bytes * tasks.size()),
        self_(mine.seed, mine.number),
        most_(mine.most_tasks != 0 ? mine.most_tasks : language_runtime::current().most_tasks_of_worker()),
        pace_(book.workers()),
        chunk_({.slots = slots,
                .arena = arenas.writer(mine.number),
                .words = book.of(mine.number),
                .halt = book.halt_word(),
                .from = mine.from,
                .timed = mine.timed,
                .memory_limited = mine.memory_limit.has_value(),
                .output = tasks.output(),
                .outlet = outlet,
                .log = log}) {
    pace_.keep_blocks(tasks.blocks(), mine.from);
    pace_.keep_batches(tasks.batches());
  }

  [[noreturn]] void run() {
    const task_scope inside;
    for (ticks then = now_ticks();;) {
      const claim_answer next = claim();
      if (next.what == claim_answer::kind::leave) leave(farewell::done);
      if (next.what == claim_answer::kind::wait) {
        wait(next.bell, next.is_idle);
        then = now_ticks();
        continue;
      }
      if (next.was_postponed && !tell_supervisor()) leave(farewell::worn);
      const interval claimed = next.chunk;
      // A task that writes over the range could cause work without end.
      claimed_ += claimed.size();
      if (claimed_ > most_claimed()) leave(farewell::damaged);
      run_chunk(claimed);
      book_.close_claim(mine_.number);
      if ((most_ != 0 && claimed_ >= most_) || (outlet_ != nullptr && outlet_->is_mute())) leave(farewell::worn);
      const ticks now = now_ticks();
      pace_.ran(claimed.size(), now - then);
      then = now;
    }
  }

 private:
  // The supervisor hands back what is left of an open claim.
  [[noreturn]] static void leave(farewell how) { leave_process(how, EXIT_SUCCESS); }

  // If nothing is unclaimed, the supervisor looks whether anything is left, or is still to come. Who cannot tell it
  // because of what a task has done leaves, of which it hears, too.
  void wait(std::uint32_t bell, bool is_idle) const noexcept {
    tasks_.before_wait();
    book_.of(mine_.number).waiting.set(1);
    if (is_idle && !tell_supervisor() && claimed_ > 0) leave(farewell::worn);
    language_runtime::current().before_wait();
    book_.bell().wait(bell, outlet_ != nullptr ? outlet_->patience() : worker_bell::patience);
    language_runtime::current().after_wait();
    book_.of(mine_.number).waiting.set(0);
  }
  // False if it does not hear of it: a task has closed the descriptor.
  [[nodiscard]] bool tell_supervisor() const noexcept {
    step("news", moment::before);
    return news_.wake();
  }
  [[nodiscard]] std::uint64_t most_claimed() const noexcept {
    return std::uint64_t{book_.round()} * (mine_.postpones ? std::uint64_t{mine_.retries} + 1 : 1);
  }

  claim_answer claim() {
    try {
      if (most_ != 0) pace_.bound(most_ - claimed_);
      return book_.claim(mine_.number, pace_);
    } catch (const std::exception&) {
      leave(farewell::damaged);
    }
  }

  void run_chunk(const interval claimed) {
    const std::size_t each = tasks_.slots().bytes;
    if (each > 0)
      ahead_.prepare(mine_.number % 2 == 0, (mine_.from + claimed.b) * each, (mine_.from + claimed.e) * each);
    for (chunk_.open(claimed); !chunk_.empty();)
      if (const std::optional<thrown> what = run_tasks()) end_attempt(*what);
  }

  // Runs the open tasks, up to the first exception, which it describes. When it returns, the exception is destroyed but
  // its task still runs: so the destructor is the task's, with the task's limit, and blamed on it.
  std::optional<thrown> run_tasks() {
    std::optional<thrown> failed;
    try {
      try {
        unwinding_watch watch;
        tasks_.run(chunk_, self_);
        watch.end();
      } catch (...) {
        failed = describe();
      }
    } catch (...) {  // NOLINT(bugprone-empty-catch)
      // The destructor of the exception has thrown. `failed` tells of the first.
    }
    return failed;
  }

  void end_attempt(const thrown& what) {
    const bool worn = mine_.memory_limit && what.kind == failure_kind::out_of_memory;
    const bool last = chunk_.attempt() > mine_.retries;
    if (last || mine_.postpones) {
      publish(what);
      if (last) book_.count_failure();
      chunk_.end_failed();
      if ((!last || mine_.streams) && !tell_supervisor()) leave(farewell::worn);
    } else {
      if (mine_.observed) publish(what);
      if (worn) chunk_.give_back();
      chunk_.try_again();
    }
    // The memory may still be in use; the next task gets a fresh worker.
    if (worn) leave(farewell::worn);
  }

  // Call inside a catch block.
  [[nodiscard]] thrown describe() const noexcept {
    thrown what{failure_kind::out_of_memory, {}};  // for the case that no message can be built
    try {
      what = describe_task();
      if (mine_.memory_limit && what.kind == failure_kind::out_of_memory &&
          book_.of(mine_.number).farewell_word.get() == pack_farewell(farewell::starved, 0))
        what.message = "options.memory_limit of " + bytes_to_text(*mine_.memory_limit) +
                       " was reached; raise it, or find what takes so much memory in this task or in those that its "
                       "worker ran before";
    } catch (...) {  // NOLINT(bugprone-empty-catch): there is no message then
    }
    return what;
  }
  [[nodiscard]] static thrown describe_task() {
    try {
      throw;
    } catch (const not_encoded& it) {
      return it.what;
    } catch (...) {
      return describe_current_exception();
    }
  }

  void publish(const thrown& what) const {
    attempt_span when;
    if (mine_.timed) when.began = book_.of(mine_.number).started.get();
    if (when.began != 0) {  // a task of a pool may have none
      when.took = monotonic_ns() - when.began;
    }
    if (!arenas_.publish(mine_.number, chunk_.next(), what.kind, chunk_.attempt(), what.message, when))
      leave_process(farewell::arena_full, EXIT_FAILURE);
  }

  const process_tasks& tasks_;
  const claim_ledger& book_;
  const worker_arenas& arenas_;
  worker_assignment mine_;
  event_sender news_;
  stream_outlet* outlet_;  // null: this is no stream
  prefault ahead_;
  context self_;
  std::uint64_t most_;       // tasks that it may claim; 0: any number
  std::uint64_t claimed_{};  // tasks, by this process
  chunk_pacer pace_;
  worker_chunk chunk_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
