// SPDX-License-Identifier: MIT
// The bodies of task_tally.hpp.
#pragma once

#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/task_tally.hpp>

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE task_tally::task_tally(std::string_view engine, const options& chosen, std::uint64_t tasks, ticks begun)
    : engine_(engine),
      options_(chosen),
      tasks_(tasks),
      most_failures_(chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max())),
      meter_(chosen.reporter, tasks, begun) {}

PARMAP_INLINE task_tally::~task_tally() = default;

PARMAP_INLINE void task_tally::add_failure(failure why) {
  const std::scoped_lock lock(mutex_);
  failures_.emplace_back(std::move(why), 1);
  if (failed_.fetch_add(1, std::memory_order_relaxed) + 1 >= most_failures_)
    halted_.store(true, std::memory_order_relaxed);
}

PARMAP_INLINE void task_tally::add_never_begun(std::uint64_t b, std::uint64_t e, unsigned attempts_of_first) {
  const std::scoped_lock lock(mutex_);
  const bool stop = options_.stop.stop_requested() || stopped_now_.load(std::memory_order_relaxed);
  const char* const why = late_.load(std::memory_order_relaxed) ? deadline_text
                          : stop                                ? stop_requested_text
                                                                : max_failures_text;
  add_stopped(failures_, b, e, why, attempts_of_first);
  never_begun_ += e - b;
}

PARMAP_INLINE void task_tally::give_up() noexcept {
  const std::scoped_lock lock(mutex_);
  if (!gave_up_) gave_up_ = std::current_exception();
  halted_.store(true, std::memory_order_relaxed);
}

PARMAP_INLINE void task_tally::break_off(std::exception_ptr why) noexcept {
  if (!broken_off_) broken_off_ = std::move(why);
  halted_.store(true, std::memory_order_relaxed);
}

PARMAP_INLINE void task_tally::show(ticks now) noexcept {
  if (broken_off_) return;
  try {
    meter_.look(now, completed_.load(std::memory_order_relaxed), failed_.load(std::memory_order_relaxed));
  } catch (const stop_now&) {
    stopped_now_.store(true, std::memory_order_relaxed);
    halted_.store(true, std::memory_order_release);  // release: a thread that sees it also sees stopped_now_
  } catch (...) {
    break_off(std::current_exception());
  }
}

PARMAP_INLINE std::chrono::nanoseconds task_tally::until_next_show() {
  return broken_off_ ? std::chrono::nanoseconds::max() : meter_.wait();
}

PARMAP_INLINE failure_list task_tally::finish(value_places& values) {
  const std::uint64_t completed = completed_.load(std::memory_order_acquire);
  const std::uint64_t failed = failed_.load(std::memory_order_acquire);
  if (gave_up_) std::rethrow_exception(gave_up_);
  try {
    if (completed + failed + never_begun_ != tasks_)
      throw std::logic_error("parmap: the engine " + std::string(engine_) +
                             " lost count of its tasks; please report this");
    if (broken_off_) std::rethrow_exception(broken_off_);
    meter_.finish(completed, failed);
    values.note_elapsed(meter_.elapsed());
    return failure_list(std::move(failures_));
  } catch (...) {
    values.discard_all_but(failures_, tasks_);
    throw;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
