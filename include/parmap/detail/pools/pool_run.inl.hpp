// SPDX-License-Identifier: MIT
// The bodies of pool_run.hpp.
#pragma once

#include <parmap/detail/pools/pool_run.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/interrupt_watch.hpp>

#include <algorithm>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void check_pool_options(const options& chosen) {
  if (chosen.memory_limit)
    refuse("pool", "memory_limit", "it holds for all maps of the pool: parmap::pool workers({.memory_limit = bytes})");
}

// With an observer the start of each attempt is to be noted, as it is where there is a limit.
inline std::chrono::nanoseconds any_time(const attempt_observer* observer) noexcept {
  return observer != nullptr ? no_limit : std::chrono::nanoseconds::zero();
}

PARMAP_INLINE pool_run::pool_run(pool_dispatcher& by, const options& chosen,
                                 std::optional<std::chrono::nanoseconds> limit, attempt_observer* observer,
                                 std::shared_ptr<kept_function> f)
    : by_(by),
      chosen_(chosen),
      observer_(observer),
      last_(chosen.deadline),
      job_(by.open({.seed = *chosen.seed,
                    .timeout = chosen.timeout ? *chosen.timeout : limit.value_or(any_time(observer)),
                    .most_at_once = chosen.workers < by.workers() ? chosen.workers : 0},
                   std::move(f), *this)) {}

PARMAP_INLINE arrival pool_run::collect(std::chrono::nanoseconds patience) {
  constexpr std::chrono::milliseconds look_for_stop(20);
  std::chrono::nanoseconds nap = std::min(patience, enforce());
  if (chosen_.stop.stop_possible()) {
    if (chosen_.stop.stop_requested()) halt(stop_requested_text);
    nap = std::min<std::chrono::nanoseconds>(nap, look_for_stop);
  }
  return by_.collect(*job_, nap);
}

// Returns the time until there is something to do.
PARMAP_INLINE std::chrono::nanoseconds pool_run::enforce() {
  constexpr std::chrono::milliseconds again(10);  // a task may begin just before it hears that it is not to
  if (chosen_.on_interrupt.is_requested()) {
    halt(stop_requested_text);
    is_killed_ = true;
  }
  if (last_.is_set()) {
    const auto now = deadline::clock::now();
    if (now < last_.begin_no_more()) return last_.begin_no_more() - now;
    halt(deadline_text);
    if (now < last_.end_all()) return last_.end_all() - now;
    is_killed_ = true;
  }
  if (!is_killed_) return std::chrono::nanoseconds::max();
  by_.kill(*job_);
  return again;
}

PARMAP_INLINE void pool_run::halt(const char* why, bool kill) {
  is_killed_ = is_killed_ || kill;
  if (why_halted_ != nullptr) return;
  why_halted_ = why;
  for (const auto& [task, count, attempts] : by_.halt(*job_)) take_stopped(task, count, attempts, why);
}

PARMAP_INLINE void pool_run::take(const pool_outcome& it) {
  if (it.why != nullptr && it.why->kind == failure_kind::crashed && chosen_.on_interrupt.is_watched() &&
      (chosen_.on_interrupt.is_requested() || interrupt_watch::has_heard()))
    return take_stopped(it.task, 1, it.attempt, stop_requested_text);  // a terminal interrupts the workers, too
  if (it.why != nullptr) {
    const bool again = tries_again(*it.why, it);
    if (it.why->kind != failure_kind::stopped) tell(it, it.why, again);
    if (!again) fail(*it.why, it);
    return;
  }
  failure why;
  try {
    if (it.bytes) {
      take_value(it, *it.bytes);
      return tell(it, nullptr, false);
    }
    why = bytes_written_over(it.task, it.attempt);
  } catch (...) {
    why = not_decoded(it.task, it.attempt);
  }
  tell(it, &why, false);
  fail(why, it);
}

PARMAP_INLINE bool pool_run::tries_again(const failure& why, const pool_outcome& it) {
  if (why.kind == failure_kind::stopped || is_halted() || it.attempt > chosen_.retries) return false;
  if (chosen_.retry_if && !chosen_.retry_if(why)) return false;
  const auto wait = retry_wait(chosen_.retry_delay, *chosen_.seed, it.task, it.attempt);
  return by_.try_again(*job_, it.task, it.attempt + 1, std::chrono::steady_clock::now() + wait);
}

PARMAP_INLINE void pool_run::fail(const failure& why, const pool_outcome& it) {
  // A task with an attempt left is stopped, as it is not tried again.
  if (why.kind == failure_kind::stopped || (is_halted() && it.why != nullptr && it.attempt <= chosen_.retries))
    return take_stopped(it.task, 1, why.attempts, is_halted() ? why_halted_ : stop_requested_text);
  take_failure(why, it);
  if (chosen_.max_failures && ++failed_ >= *chosen_.max_failures) halt(max_failures_text);
}

PARMAP_INLINE void pool_run::tell(const pool_outcome& it, const failure* why, bool again) const {
  if (observer_ == nullptr) return;
  const std::chrono::nanoseconds took(static_cast<std::int64_t>(static_cast<double>(it.spent) / ticks_per_us() * 1e3));
  const attempt made{it.task, it.attempt, it.worker, attempt::clock::now() - took, took};
  observer_->begun(made);
  if (again) return observer_->failed(made, *why);
  seen_value value;
  if (why == nullptr && it.bytes) {
    byte_reader all = *it.bytes;
    const std::size_t size = all.left();
    value.encoded = {all.read(size), size};
  }
  observer_->ended(made, value, why);
}

}  // namespace parmap::inline PARMAP_ABI::detail
