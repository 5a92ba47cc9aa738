// SPDX-License-Identifier: MIT
// The bodies of stream_tally.hpp.
#pragma once

#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/detail/results/summary_times.hpp>
#include <parmap/detail/streams/stream_tally.hpp>

#include <algorithm>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE stream_tally::stream_tally(const options& chosen, std::optional<std::uint64_t> tasks)
    : begun_(now_ticks()),
      silent_(chosen.reporter.is_silent()),
      next_show_(begun_ + to_ticks(std::chrono::milliseconds(1))),
      meter_(chosen.reporter, tasks.value_or(0), begun_) {
  if (chosen.times) times_.emplace();
}

PARMAP_INLINE stream_tally::~stream_tally() = default;

PARMAP_INLINE void stream_tally::add_failure(const failure& why) {
  ++failed_;
  std::string key = key_of_cause(why);
  if (const auto found = causes_.find(key); found != causes_.end()) {
    cause& known = found->second;
    ++known.count;
    known.differs = known.differs || known.first.message != why.message;
    if (why.index < known.first.index) known.first = why;
  } else if (causes_.size() < most_causes) {
    failure first = why;
    first.exception = nullptr;  // it would keep alive what it refers to
    causes_.emplace(std::move(key), cause{std::move(first), 1, false});
  } else {
    ++of_other_causes_;
  }
}

PARMAP_INLINE task_time* stream_tally::add_time(std::uint64_t task, unsigned attempt, ticks spent) {
  const double ns = static_cast<double>(spent) / ticks_per_us() * 1e3;
  return times_->add(
      {.task = task, .number = attempt, .took = std::chrono::nanoseconds(static_cast<std::int64_t>(ns))});
}

PARMAP_INLINE bool stream_tally::show(std::uint64_t known) {
  meter_.set_total(known);
  const ticks now = now_ticks();
  next_show_ = now + to_ticks(std::chrono::milliseconds(1));
  try {
    meter_.look(now, completed_, failed_);
  } catch (const stop_now&) {
    return false;
  }
  return true;
}

PARMAP_INLINE std::chrono::nanoseconds stream_tally::until_next_show() { return meter_.wait(); }

PARMAP_INLINE void stream_tally::finish(std::uint64_t known) {
  if (ended_) return;
  ended_ = now_ticks();
  meter_.set_total(known);
  meter_.finish(completed_, failed_);
}

PARMAP_INLINE map_summary stream_tally::summary() const {
  const auto us = static_cast<double>(ended_.value_or(now_ticks()) - begun_) / ticks_per_us();
  map_summary all{taken(), completed_, std::chrono::nanoseconds(static_cast<std::int64_t>(us * 1e3)), {}};
  for (const auto& [key, each] : causes_)
    all.causes.push_back(
        {each.first, each.count, each.differs ? without_numbers(each.first.message) : each.first.message});
  std::ranges::sort(all.causes, [](const failure_cause& a, const failure_cause& b) {
    return a.count != b.count ? a.count > b.count : a.first.index < b.first.index;
  });
  if (of_other_causes_ > 0) {
    failure_cause others{{}, of_other_causes_, "other causes than the first " + std::to_string(most_causes)};
    others.first.message = others.message;
    all.causes.push_back(std::move(others));
  }
  if (times_) {
    map_times measured = times_->times();
    measured.elapsed = all.elapsed;
    add_times(all, measured);
  }
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
