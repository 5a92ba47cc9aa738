// SPDX-License-Identifier: MIT
// One map on the engine multi: lays out the memory, lets the supervisor run the rounds, gathers results and failures.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/slot_writer.hpp>
#include <parmap/detail/processes/supervisor.hpp>
#include <parmap/detail/processes/worker_process.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/memory_limit.hpp>
#include <parmap/detail/system/worker_assignment.hpp>
#include <parmap/options.hpp>

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

namespace parmap::detail {

// A worker from its fork, or the start of its program, to its end. `at_go` is called just before its first task.
template <class Work, class AtGo>
[[noreturn]] void live_as_worker(const Work& work, shared_layout<typename Work::result>& shared,
                                 const worker_assignment& mine, const AtGo& at_go) {
  using value = typename Work::result;
  claim_ledger& book = shared.book();
  become_worker(mine.parent, book.of(mine.number), {.timed = mine.timed, .memory_limit = mine.memory_limit},
                {&shared.memory(), shared.slots().memory()});
  language_runtime::current().begin_worker(mine.number);
  await_go(book.of(mine.number).go);
  at_go();
  slot_writer<value> store(shared.slots(), shared.memory(), shared.records());
  worker<Work, slot_writer<value>>(work, store, book, shared.records(), mine.number, mine.from, mine.seed, mine.retries,
                                   mine.memory_limit)
      .run();
}

// The life of a worker that is a program of its own, see host.hpp: `memory` is the descriptor it was started with.
// Throws std::system_error if that cannot be mapped.
template <class Work, class AtGo>
[[noreturn]] void serve_as_program(const Work& work, const worker_assignment& mine, int memory, const AtGo& at_go) {
  shared_layout<typename Work::result> shared(mine, file_descriptor(memory));
  live_as_worker(work, shared, mine, at_go);
}

// `Places`: see gathering.hpp.
template <class Work, class Places>
class multi_run {
 public:
  using value = typename Work::result;

  multi_run(const Work& work, const options& chosen, unsigned workers, Places places)
      : work_(work),
        options_(chosen),
        programs_(!in_slot<value> && language_runtime::current().starts_programs()),
        told_{.tasks = work.size(),
              .seed = *chosen.seed,
              .max_failures = chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max()),
              .memory_limit = chosen.memory_limit,
              .workers = workers,
              .retries = chosen.retries,
              .timed = chosen.timeout.has_value(),
              .parent = ::getpid()},
        shared_(told_, programs_),
        book_(shared_.book()),
        gathering_(shared_.slots(), shared_.records(), shared_.memory(), told_.tasks, std::move(places)) {
    if (chosen.memory_limit && !private_memory())
      throw std::runtime_error(
          "parmap: options.memory_limit needs /proc, to know how much memory a worker begins with");
  }

  auto run() {
    const std::uint64_t n = work_.size();
    lazy_meter meter(options_.report, n);
    const std::stop_callback on_stop(options_.stop, [this] { book_.halt(halt_reason::stop_requested); });
    std::uint64_t from = 0;
    const core_placement place(told_.workers);
    // A program that cannot begin will not the next time either; a fork may be killed while it is born, on a busy
    // machine.
    const unsigned most_idle_deaths = programs_ ? 16 : 256;
    supervisor boss(book_, shared_.records(), options_, meter, place, n, most_idle_deaths,
                    [&](unsigned w) { live(place, w, from); });
    if constexpr (result_collector<value, Places>::reads_early)
      if (n <= max_round) boss.meanwhile([this](interval open) { return gathering_.read_early(open.b, open.e); });
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
    }
    add_stopped(never_begun, from, n, why_stopped(boss));
    missing += n - from;

    const std::uint64_t blamed = boss.blamed().size();
    const std::uint64_t finished = book_.finished();
    if (finished + blamed + missing != n)
      throw_overwritten(std::to_string(finished) + " + " + std::to_string(blamed) + " + " + std::to_string(missing) +
                        " tasks are accounted for, of " + std::to_string(n));
    failure_runs failures = std::move(boss.blamed());
    for (unsigned w = 0; w < told_.workers; ++w) shared_.records().collect(w, failures);
    if (failures.size() < book_.failures())
      throw_overwritten("the record of a failure is lost");  // counted after published
    failures.insert(failures.end(), std::make_move_iterator(never_begun.begin()),
                    std::make_move_iterator(never_begun.end()));
    check(failures, n);
    const std::uint64_t failed = failures.size();
    meter.finish(n - missing - std::min(n - missing, book_.failures()), std::min(failed, book_.failures()));
    return gathering_.finish(std::move(failures), n, told_.seed);
  }

 private:
  // No task failed twice, and none that there is not.
  static void check(failure_runs& failures, std::uint64_t n) {
    sort_runs(failures);
    std::uint64_t from = 0;
    for (const auto& [why, tasks] : failures) {
      if (why.index < from || why.index > n || tasks > n - why.index) throw_overwritten("its failures overlap");
      from = why.index + tasks;
    }
  }

  // In the worker's process.
  void live(const core_placement& place, unsigned w, std::uint64_t from) noexcept {
    worker_assignment mine = told_;
    mine.number = w;
    mine.from = from;
    mine.round = book_.round();
    if (programs_) {
      language_runtime::current().start_program(mine, shared_.file());
      ::_exit(127);  // as a shell says of what cannot be started
    }
    live_as_worker(work_, shared_, mine, [&] { place.release(); });
  }

  [[nodiscard]] std::string why_stopped(const supervisor& boss) const {
    switch (book_.why_halted()) {
      case halt_reason::no_worker: return boss.why_gave_up();
      case halt_reason::max_failures: return max_failures_text;
      case halt_reason::none:
      case halt_reason::stop_requested: return stop_requested_text;
    }
    throw_overwritten("nobody halts a map for such a reason");
  }

  const Work& work_;
  const options& options_;
  bool programs_;
  worker_assignment told_;
  shared_layout<value> shared_;
  claim_ledger& book_;
  result_collector<value, Places> gathering_;
};

}  // namespace parmap::detail
