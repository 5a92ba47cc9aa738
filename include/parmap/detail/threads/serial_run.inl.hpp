// SPDX-License-Identifier: MIT
// The bodies of serial_run.hpp.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/observers/attempt_teller.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/detail/threads/deadline_watch.hpp>
#include <parmap/detail/threads/serial_run.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Which options were set that have no effect on a loop, once each in a process.
PARMAP_INLINE void tell_of_ignored_options(const options& chosen, lazy_meter& meter) {
  struct limit {
    bool set;
    const char* name;
  };
  const std::array<limit, 3> limits{{{chosen.max_failures.has_value(), "max_failures"},
                                     {chosen.memory_limit.has_value(), "memory_limit"},
                                     {chosen.timeout.has_value(), "timeout"}}};
  static std::array<std::atomic<bool>, limits.size()> told{};
  std::array<bool, limits.size()> telling{};
  std::string names;
  for (std::size_t k = 0; k < limits.size(); ++k) {
    telling[k] = limits[k].set && !told[k];
    if (telling[k]) names += (names.empty() ? "options." : ", options.") + std::string(limits[k].name);
  }
  if (names.empty() || !meter.tell("parmap: the engine serial does not enforce " + names + "; use multi")) return;
  for (std::size_t k = 0; k < limits.size(); ++k)
    if (telling[k]) told[k] = true;
}

// Inside a catch block: whether options::retry_if wants the task to be tried again.
PARMAP_INLINE bool is_worth_a_retry(const options& chosen, std::uint64_t i, unsigned attempt) {
  if (!chosen.retry_if) return true;
  thrown what = describe_current_exception();
  return chosen.retry_if(failure{i, what.kind, std::move(what.message), attempt, std::current_exception()});
}

// Returns early if a stop is requested or `halted` is set.
PARMAP_INLINE void sleep_before_retry(const options& chosen, const std::atomic<bool>& halted, std::uint64_t i,
                                      unsigned attempt) {
  constexpr std::chrono::nanoseconds glance = std::chrono::milliseconds(10);
  const auto until = std::chrono::steady_clock::now() + retry_wait(chosen.retry_delay, *chosen.seed, i, attempt);
  while (!chosen.stop.stop_requested() && !halted.load(std::memory_order_acquire)) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) return;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(until - now, glance));
  }
}

class serial_run_gate final : public task_gate {
 public:
  serial_run_gate(const std::atomic<bool>& flag, const options& of, value_places& values, attempt_teller& told) noexcept
      : task_gate(&flag, of.stop),
        values_(values),
        told_(told) {
    if (told_.is_on()) set_watched();
  }
  // The attempt that runs has failed.
  void stop() noexcept {
    if (told_.is_on()) attempt_teller::stop(running_);
  }
  // Call inside a catch block, after stop().
  void tell_failure(std::uint64_t i, bool again) {
    thrown what = describe_current_exception();
    const failure why{i, what.kind, std::move(what.message), attempt(), std::current_exception()};
    if (again) told_.fail(running_, why);
    else told_.end(running_, {}, &why);
  }

 private:
  void begin_watch(context& self) override { told_.begin(running_, self.position(), attempt(), 0); }
  void end_watch(context& self) override { told_.end(running_, {.object = values_.address(self.position())}); }

  value_places& values_;
  attempt_teller& told_;
  detail::attempt running_{};
};

// The loop, until the tasks have ended, a stop is requested or `halted` is set. `done`: the first task that has not
// ended, also when it throws. Returns how often that was begun.
PARMAP_CATCHES_FORCED_UNWIND PARMAP_INLINE unsigned loop_serially(const placed_tasks& tasks, std::uint64_t n,
                                                                  const options& chosen,
                                                                  const std::atomic<bool>& halted, value_places& values,
                                                                  std::uint64_t& done) {
  context self(*chosen.seed, 0, chosen.stop);
  attempt_teller told(tasks.observer());
  if (told.is_on()) told.tell(0, worker_event::born);
  serial_run_gate between(halted, chosen, values, told);
  const bool careful = tasks.take_context() || chosen.stop.stop_possible() || chosen.deadline || told.is_on();
  lazy_meter meter(chosen.reporter, n);
  if (chosen.max_failures || chosen.memory_limit || chosen.timeout) tell_of_ignored_options(chosen, meter);
  const task_scope inside;
  chunk_pacer pace(1);  // how often to look at the meter
  ticks then = now_ticks();
  while (done < n && !chosen.stop.stop_requested() && !halted.load(std::memory_order_acquire)) {
    const std::uint64_t from = done;
    const auto left = static_cast<round_index>(std::min(n - from, max_round));
    task_chunk chunk{from, from + pace.chunk(left), careful ? &between : nullptr};
    try {
      tasks.run(chunk, self);
      done = chunk.at;
      if (!careful) between.set_attempt(1);
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {
      between.stop();
      done = chunk.at;
      if (done != from) between.set_attempt(1);
      const bool again = between.attempt() <= chosen.retries && is_worth_a_retry(chosen, done, between.attempt());
      if (told.is_on()) between.tell_failure(done, again);
      if (!again) throw;
      sleep_before_retry(chosen, halted, done, between.attempt());
      between.set_attempt(between.attempt() + 1);
    }
    const ticks now = now_ticks();
    pace.ran(static_cast<round_index>(std::max<std::uint64_t>(done - from, 1)), now - then);
    then = now;
    try {
      meter.look(now, done, 0);
    } catch (const stop_now&) {
      break;
    }
  }
  if (told.is_on()) told.tell(0, worker_event::died);
  meter.finish(done, 0);
  values.note_elapsed(meter.elapsed());
  return between.attempt() - 1;
}

// Apart, so that a map without a deadline does not pay for it.
[[gnu::noinline]] PARMAP_INLINE unsigned loop_until_deadline(const placed_tasks& tasks, std::uint64_t n,
                                                             const options& chosen, std::atomic<bool>& late,
                                                             value_places& values, std::uint64_t& done) {
  const deadline last(chosen.deadline);
  if (!last.is_set()) return loop_serially(tasks, n, chosen, late, values, done);
  const deadline_watch watch(last, chosen.stop, [&late] { late.store(true, std::memory_order_release); });
  options with_its_token = chosen;
  with_its_token.stop = watch.token();
  return loop_serially(tasks, n, with_its_token, late, values, done);
}

PARMAP_INLINE failure_list run_serially(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                        const options& chosen) {
  std::uint64_t done = 0;
  failure_runs stopped;
  std::atomic<bool> late{false};
  try {
    const unsigned attempts = chosen.deadline ? loop_until_deadline(tasks, n, chosen, late, values, done)
                                              : loop_serially(tasks, n, chosen, late, values, done);
    add_stopped(stopped, done, n, late ? deadline_text : stop_requested_text, attempts);
    return failure_list(std::move(stopped));
  } catch (...) {
    values.discard_all_but(stopped, done);
    throw;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
