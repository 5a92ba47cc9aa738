// SPDX-License-Identifier: MIT
// The bodies of time_keeper.hpp.
#pragma once

#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/schedule/fetch_max.hpp>

#include <algorithm>
#include <chrono>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE time_keeper::time_keeper(attempt_observer* next) : next_(next), begun_(attempt::clock::now()) {
  slowest_.reserve(most_kept + 1);
}
PARMAP_INLINE time_keeper::~time_keeper() = default;

PARMAP_INLINE void time_keeper::happened_to(unsigned worker, worker_event what,
                                            attempt::clock::time_point when) noexcept {
  if (what == worker_event::born) fetch_max(workers_, worker + 1);
  if (next_ != nullptr) next_->happened_to(worker, what, when);
}

PARMAP_INLINE task_time* time_keeper::add(const attempt& it) noexcept {
  lanes_[it.worker % lanes].busy.fetch_add(it.took.count(), std::memory_order_relaxed);
  if (it.took.count() <= least_slow_.load(std::memory_order_relaxed)) return nullptr;
  const std::scoped_lock lock(mutex_);
  if (slowest_.size() == most_kept && it.took <= slowest_.back().took) return nullptr;
  // A task is there once, with its slowest attempt.
  const auto same = std::ranges::find(slowest_, it.task, &task_time::index);
  if (same != slowest_.end()) {
    if (same->took >= it.took) return nullptr;
    slowest_.erase(same);
  }
  const auto place = std::ranges::find_if(slowest_, [&](const task_time& other) { return other.took < it.took; });
  const auto mine = slowest_.insert(place, {it.task, it.number, it.took, {}});  // within what was reserved
  task_time* const entry = &*mine;
  if (slowest_.size() > most_kept) slowest_.pop_back();
  if (slowest_.size() == most_kept) least_slow_.store(slowest_.back().took.count(), std::memory_order_relaxed);
  return entry;
}

PARMAP_INLINE map_times time_keeper::times() const {
  std::chrono::nanoseconds busy{};
  for (const lane& each : lanes_) busy += std::chrono::nanoseconds(each.busy.load(std::memory_order_relaxed));
  const std::scoped_lock lock(mutex_);
  return {.elapsed = attempt::clock::now() - begun_,
          .busy = busy,
          .workers = workers_.load(std::memory_order_relaxed),
          .slowest = slowest_};
}

}  // namespace parmap::inline PARMAP_ABI::detail
