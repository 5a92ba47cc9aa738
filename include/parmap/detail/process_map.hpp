// SPDX-License-Identifier: MIT
// One map on the engine multi: lays out the memory, lets the supervisor run the rounds, gathers results and failures.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/damage.hpp>
#include <parmap/detail/host.hpp>
#include <parmap/detail/lazy_meter.hpp>
#include <parmap/detail/ledger.hpp>
#include <parmap/detail/memory_limit.hpp>
#include <parmap/detail/placement.hpp>
#include <parmap/detail/records.hpp>
#include <parmap/detail/shared_memory.hpp>
#include <parmap/detail/sink.hpp>
#include <parmap/detail/store.hpp>
#include <parmap/detail/supervisor.hpp>
#include <parmap/detail/worker.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

namespace parmap::detail {

// Ledger, a fixed part of `fixed` bytes, and the arenas in one mapping; the arenas as large as they can be had, up to
// 64 GiB a worker, as only pages that are written to cost memory.
inline shared_memory make_arena_memory(std::size_t fixed, unsigned workers) {
  constexpr std::size_t largest = std::size_t{64} << 30;
  constexpr std::size_t smallest = std::size_t{64} << 10;
  for (std::size_t each = largest;; each /= 2) {
    try {
      shared_memory memory(fixed + workers * each);
      if (each == largest || each == smallest) return memory;
      // Address space is short (RLIMIT_AS), and the tasks want some too.
      memory = shared_memory();
      return shared_memory(fixed + workers * std::max(each / 2, smallest));
    } catch (const std::system_error&) {
      if (each == smallest) throw;
    }
  }
}

template <class Work>
class process_map {
 public:
  using value = typename Work::result;

  process_map(const Work& work, const options& chosen, unsigned workers)
      : work_(work),
        options_(chosen),
        workers_(workers),
        slots_(ledger::bytes(workers), work.size()),
        memory_(make_arena_memory(slots_.arenas_begin(), workers)),
        book_(memory_.data(), workers, chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max()),
              std::min(chosen.retries, max_attempts - 1), chosen.timeout.has_value()),
        records_(memory_, book_, slots_.arenas_begin(), memory_.size(), work.size()) {
    if (chosen.memory_limit && !private_memory())
      throw std::runtime_error(
          "parmap: options.memory_limit needs /proc, to know how much memory a worker begins with");
  }

  results<value> run() {
    const std::uint64_t n = work_.size();
    lazy_meter meter(options_.report, n);
    const std::stop_callback on_stop(options_.stop, [this] { book_.halt(halt_reason::stop_requested); });
    std::uint64_t from = 0;
    const placement place(workers_);
    supervisor boss(book_, records_, options_, meter, place, n,
                    [&](unsigned w, pid_t parent) { live(place, w, from, parent); });
    failure_runs never_begun;
    std::uint64_t missing = 0;
    for (std::uint64_t tasks = 0; from < n && !book_.halted(); from += tasks) {
      tasks = std::min(n - from, max_round);
      boss.run_round(from, static_cast<round_index>(tasks),
                     static_cast<unsigned>(std::min<std::uint64_t>(workers_, tasks)));
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
      throw_damaged(std::to_string(finished) + " + " + std::to_string(blamed) + " + " + std::to_string(missing) +
                    " tasks are accounted for, of " + std::to_string(n));
    failure_runs failures = std::move(boss.blamed());
    for (unsigned w = 0; w < workers_; ++w) records_.collect(w, failures);
    if (failures.size() < book_.failures())
      throw_damaged("the record of a failure is lost");  // counted after published
    failures.insert(failures.end(), std::make_move_iterator(never_begun.begin()),
                    std::make_move_iterator(never_begun.end()));
    check(failures, n);
    const std::uint64_t failed = failures.size();
    meter.finish(n - missing - std::min(n - missing, book_.failures()), std::min(failed, book_.failures()));
    return slots_.gather(records_, memory_, std::move(failures), *options_.seed);
  }

 private:
  // No task failed twice, and none that there is not.
  static void check(failure_runs& failures, std::uint64_t n) {
    std::ranges::sort(failures, {}, [](const auto& run) { return run.first.index; });
    std::uint64_t from = 0;
    for (const auto& [why, tasks] : failures) {
      if (why.index < from || why.index > n || tasks > n - why.index) throw_damaged("its failures overlap");
      from = why.index + tasks;
    }
  }

  // In the worker's process.
  void live(const placement& place, unsigned w, std::uint64_t from, pid_t parent) noexcept {
    become_worker(parent, book_.of(w), {.timed = options_.timeout.has_value(), .memory_limit = options_.memory_limit},
                  {&memory_, slots_.memory()});
    host::current().begin_worker(w);
    await_go(book_.of(w).go);
    place.release();
    slot_store<value> store(slots_, memory_, records_);
    worker<Work, slot_store<value>>(work_, store, book_, records_, w, from, *options_.seed, options_.retries,
                                    options_.memory_limit)
        .run();
  }

  [[nodiscard]] std::string why_stopped(const supervisor& boss) const {
    switch (book_.why_halted()) {
      case halt_reason::no_worker: return boss.why_gave_up();
      case halt_reason::max_failures: return max_failures_text;
      case halt_reason::none:
      case halt_reason::stop_requested: return stop_requested_text;
    }
    throw_damaged("nobody halts a map for such a reason");
  }

  const Work& work_;
  const options& options_;
  unsigned workers_;
  result_slots<value> slots_;
  shared_memory memory_;
  ledger book_;
  record_book records_;
};

}  // namespace parmap::detail
