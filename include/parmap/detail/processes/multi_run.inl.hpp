// SPDX-License-Identifier: MIT
// The bodies of multi_run.hpp.
#pragma once

#include <parmap/detail/processes/attempt_log.hpp>
#include <parmap/detail/processes/attempt_watch.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/stop_reason.hpp>
#include <parmap/detail/processes/supervisor.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/processes/worker_process.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/memory_limit.hpp>

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Runs a worker from its fork, or the start of its program, to its end. Calls `at_go` just before its first task.
[[noreturn]] PARMAP_INLINE void live_as_worker(const process_tasks& tasks, shared_layout& shared,
                                               const worker_assignment& mine, const std::function<void()>& at_go) {
  claim_ledger& book = shared.book();
  become_worker(mine.parent, book.of(mine.number), mine.memory_limit,
                [&shared] { return shared.keep_from_children(); });
  language_runtime::current().begin_worker(mine.number);
  await_go(book.of(mine.number).go);
  at_go();
  if (mine.observed) {
    attempt_log log(attempt_log_layout::place(shared.logs(), mine.number), book.of(mine.number), book.bell(),
                    book.halt_word(), mine.news);
    worker_process(tasks, shared.slots(), book, shared.arenas(), mine, nullptr, &log).run();
  }
  worker_process(tasks, shared.slots(), book, shared.arenas(), mine).run();
}

PARMAP_INLINE void serve_as_program(const process_tasks& tasks, const worker_assignment& mine, int memory,
                                    void (*at_go)(void* given), void* given) {
  shared_layout shared(mine, tasks.slots(), file_descriptor(memory));
  live_as_worker(tasks, shared, mine, [=] { at_go(given); });
}

// Once in a process.
PARMAP_INLINE void tell_of_missing_pidfds(lazy_meter& meter) {
  static std::atomic<bool> told{false};
  if (!told.load(std::memory_order_relaxed) &&
      meter.tell(
          "parmap: pidfd_open is refused here (Linux before 5.4, or a sandbox), so workers are watched by their pids: "
          "while a map runs, do not ignore SIGCHLD or reap children that are not your own"))
    told.store(true, std::memory_order_relaxed);
}

class multi_run {
 public:
  multi_run(const process_tasks& tasks, value_reader* reader, const options& chosen, unsigned workers)
      : tasks_(tasks),
        options_(chosen),
        programs_(tasks.slots().kind == slot_kind::encoded && language_runtime::current().starts_programs()),
        told_{.tasks = tasks.size(),
              .seed = *chosen.seed,
              .max_failures = chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max()),
              .memory_limit = chosen.memory_limit,
              .workers = workers,
              .retries = chosen.retries,
              .timed = chosen.timeout.has_value() || tasks.observer() != nullptr,
              .postpones = postpones_retries(chosen),
              .observed = tasks.observer() != nullptr,
              .parent = ::getpid()},
        shared_(told_, tasks.slots(), programs_),
        book_(shared_.book()) {
    if (reader != nullptr) {
      void* const slots = shared_.slots();
      collector_.emplace(static_cast<const encoded_slot*>(slots), shared_.arenas(), tasks.size(), *reader);
    }
    if (told_.postpones || told_.observed || chosen.on_interrupt.is_watched()) news_.emplace();
    if (news_) told_.news = news_->descriptor();
    if (chosen.memory_limit && !private_memory())
      throw std::runtime_error(
          "parmap: options.memory_limit needs /proc, to know how much memory a worker begins with");
  }

  multi_results run() {
    const std::uint64_t n = tasks_.size();
    lazy_meter meter(options_.reporter, n);
    if (!pidfds_work()) tell_of_missing_pidfds(meter);
    const std::stop_callback on_stop(options_.stop, [this] {
      book_.halt(halt_reason::stop_requested);
      if (news_) event_counter::wake(news_->descriptor());  // the supervisor may wait for a postponed task alone
    });
    std::uint64_t from = 0;
    const core_placement place(told_.workers);
    // A program that cannot start will fail again, so a few deaths suffice. A forked worker may be killed during its
    // start on a busy machine.
    const unsigned most_idle_deaths = programs_ ? 16 : 256;
    supervisor boss(shared_, options_, meter, place, held_back_, news_ ? &*news_ : nullptr, n, most_idle_deaths,
                    [&](unsigned w) { live(place, w, from); });
    boss.ask_of_values([this](unsigned w, std::uint64_t task) {
      return tasks_.has_value(task) ||
             (told_.observed && newest_outcome_is(attempt_log_layout::place(shared_.logs(), w), task));
    });
    std::optional<attempt_watch> observed;
    if (told_.observed) boss.tell(observed.emplace(*tasks_.observer(), shared_));
    // A postponed task counts as neither ended nor unclaimed in a look at what has ended.
    if (collector_ && n <= max_round && !told_.postpones)
      boss.meanwhile([this](interval open) { return collector_->read_early(open.b, open.e); });
    failure_runs never_begun;
    std::uint64_t missing = 0;
    for (std::uint64_t tasks = 0; from < n && !book_.halted(); from += tasks) {
      tasks = std::min(n - from, max_round);
      boss.run_round(from, static_cast<round_index>(tasks),
                     static_cast<unsigned>(std::min<std::uint64_t>(told_.workers, tasks)));
      for (const auto& [rest, attempts] : book_.drain()) {
        add_stopped(never_begun, from + rest.b, from + rest.e, why_stopped(boss), attempts);
        missing += rest.size();
      }
      for (const auto& [due, task, attempts] : boss.retries().take()) {
        add_stopped(never_begun, from + task, from + task + 1, why_stopped(boss), attempts);
        ++missing;
      }
    }
    add_stopped(never_begun, from, n, why_stopped(boss));
    missing += n - from;

    failure_runs failures = failures_of(boss, std::move(never_begun), missing);
    const std::uint64_t failed = failures.size();
    meter.finish(n - missing - std::min(n - missing, book_.failures()), std::min(failed, book_.failures()));
    if (collector_) return {collector_->finish(std::move(failures)), {}};
    failure_list all(std::move(failures));
    return {std::move(all), shared_.take_values()};
  }

 private:
  // Collects every failure once; `missing` tasks were not begun.
  failure_runs failures_of(supervisor& boss, failure_runs never_begun, std::uint64_t missing) {
    const std::uint64_t n = tasks_.size();
    const std::uint64_t blamed = boss.blamed().size();
    const std::uint64_t finished = book_.finished() - boss.retries().voided().count();
    if (finished + blamed + missing != n)
      throw_overwritten(std::to_string(finished) + " + " + std::to_string(blamed) + " + " + std::to_string(missing) +
                        " tasks are accounted for, but the map has " + std::to_string(n));
    failure_runs failures = std::move(boss.blamed());
    for (unsigned w = 0; w < told_.workers; ++w)
      shared_.arenas().for_each_failure(w, [&](failure&& why) {
        const bool was_tried_again =
            told_.postpones ? boss.retries().voided().contains(why.index, why.attempts) : why.attempts <= told_.retries;
        if (!was_tried_again) failures.emplace_back(std::move(why), 1);
      });
    if (failures.size() < book_.failures())
      throw_overwritten("the record of a failure is lost");  // a failure is published, then counted
    failures.insert(failures.end(), std::make_move_iterator(never_begun.begin()),
                    std::make_move_iterator(never_begun.end()));
    check(failures, n);
    return failures;
  }

  // Checks that no task failed twice and that each failed task exists.
  static void check(failure_runs& failures, std::uint64_t n) {
    sort_runs(failures);
    std::uint64_t from = 0;
    for (const auto& [why, tasks] : failures) {
      if (why.index < from || why.index > n || tasks > n - why.index) throw_overwritten("its failures overlap");
      from = why.index + tasks;
    }
  }

  // Runs in the worker's process.
  void live(const core_placement& place, unsigned w, std::uint64_t from) noexcept {
    held_back_.end();
    worker_assignment mine = told_;
    mine.number = w;
    mine.from = from;
    mine.round = book_.round();
    if (programs_) {
      language_runtime::current().start_program(mine, shared_.file());
      ::_exit(127);  // a shell's status for a program that cannot be started
    }
    live_as_worker(tasks_, shared_, mine, [&] { place.release(); });
  }

  [[nodiscard]] std::string why_stopped(const supervisor& boss) const {
    return detail::why_stopped(book_.why_halted(), boss.why_gave_up());
  }

  cancellation_held_back held_back_;
  const process_tasks& tasks_;
  const options& options_;
  bool programs_;
  worker_assignment told_;
  shared_layout shared_;
  claim_ledger& book_;
  std::optional<event_counter> news_;
  std::optional<result_collector> collector_;
};

PARMAP_INLINE multi_results run_in_processes(const process_tasks& tasks, value_reader* reader, const options& chosen) {
  const std::uint64_t most = chosen.workers != 0 ? chosen.workers : usable_cores();
  static_cast<void>(ticks_per_us());                      // measured once, before the forks
  static_cast<void>(bound_early::uncaught_exceptions());  // binds what it calls in its turn
  // On the heap: other maps of this process refer to its memory, also while a library that switches stacks by copying
  // them (greenlets) has this one's put away.
  const auto workers = static_cast<unsigned>(std::clamp<std::uint64_t>(tasks.size(), 1, most));
  return std::make_unique<multi_run>(tasks, reader, chosen, workers)->run();
}

}  // namespace parmap::inline PARMAP_ABI::detail
