// SPDX-License-Identifier: MIT
// The bodies of pool_map.hpp.
#pragma once

#include <parmap/detail/pools/pool_map.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_source.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE failure_list pool_map::run(kept_inputs inputs) {
  lazy_meter meter(chosen().reporter, tasks_);
  try {
    inputs_ = std::move(inputs);
    if (tasks_ == 0) dispatcher().close(job());
    for (;;) {
      if (sent_ < tasks_ && !is_halted()) send_some();
      before_wait();
      if (collect(meter.wait()) == arrival::end) break;
      try {
        meter.look(now_ticks(), completed_, failed_);
      } catch (const stop_now&) {
        halt(stop_requested_text, true);
      }
    }
    if (sent_ < tasks_) take_stopped(sent_, tasks_ - sent_, 0, why_halted());
    meter.finish(completed_, failed_);
    return failure_list(std::move(failures_));
  } catch (...) {
    end();
    has_value_.for_each_set(0, tasks_, [this](std::uint64_t i) { discard(i); });
    throw;
  }
}

PARMAP_INLINE void pool_map::send(std::uint64_t count, kept_inputs inputs) {
  dispatcher().add(job(), sent_, count, std::move(inputs));
  sent_ += count;
  if (sent_ == tasks_) dispatcher().close(job());
}

PARMAP_INLINE void pool_map::take_value(const pool_outcome& it, byte_reader bytes) {
  put(it.task, bytes);
  has_value_.set(it.task);
  ++completed_;
}

PARMAP_INLINE void pool_map::take_failure(failure why, const pool_outcome&) {
  failures_.emplace_back(std::move(why), 1);
  ++failed_;
}

PARMAP_INLINE void pool_map::take_stopped(std::uint64_t task, std::uint64_t count, unsigned attempts, const char* why) {
  add_stopped(failures_, task, task + count, why, attempts);
}

}  // namespace parmap::inline PARMAP_ABI::detail
