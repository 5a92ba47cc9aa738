// SPDX-License-Identifier: MIT
// The bodies of lazy_meter.hpp.
#pragma once

#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/progress/terminal.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/system/inside_worker.hpp>

#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE lazy_meter::lazy_meter(const reporter& who, std::uint64_t total, ticks begun)
    : who_(&who),
      total_(total),
      begun_(begun),
      silent_(who.is_silent() || (task_scope::inside() && !who.is_eager())) {}

PARMAP_INLINE bool lazy_meter::stays_silent() noexcept {
  silent_ = silent_ || (inside_worker() && !who_->is_eager());
  return silent_;
}

PARMAP_INLINE bool lazy_meter::tell(std::string_view line) {
  if (stays_silent() || !progress_meter::draws_on_stderr(*who_)) return false;
  write_all(standard_error, std::string(line) + '\n');
  return true;
}

PARMAP_INLINE void lazy_meter::look_closely(ticks now, std::uint64_t completed, std::uint64_t failed) {
  if (stays_silent()) return;
  const auto clock = std::chrono::steady_clock::now();
  if (!meter_) start(clock, now);
  if (meter_->due(clock)) meter_->update(clock, completed, failed);
}

PARMAP_INLINE std::chrono::nanoseconds lazy_meter::wait() {
  if (stays_silent()) return std::chrono::nanoseconds::max();
  if (!meter_) start(std::chrono::steady_clock::now(), now_ticks());
  return meter_->wait();
}

PARMAP_INLINE void lazy_meter::finish(std::uint64_t completed, std::uint64_t failed) {
  constexpr std::uint64_t few = 1000;
  if (!silent_ || total_ > few) elapsed_ = now_ticks() - begun_;
  if (silent_ || (!who_->is_eager() && elapsed_ < worth_a_look_) || stays_silent()) return;
  const auto clock = std::chrono::steady_clock::now();
  if (!meter_) start(clock, now_ticks());
  try {
    meter_->finish(clock, completed, failed);
  } catch (const stop_now&) {  // NOLINT(bugprone-empty-catch): nothing is left to stop
  }
}

PARMAP_INLINE void lazy_meter::start(std::chrono::steady_clock::time_point clock, ticks now) {
  const auto us = static_cast<double>(now - begun_) / ticks_per_us();
  meter_.emplace(*who_, total_, clock - std::chrono::nanoseconds(static_cast<std::int64_t>(us * 1e3)));
}

}  // namespace parmap::inline PARMAP_ABI::detail
