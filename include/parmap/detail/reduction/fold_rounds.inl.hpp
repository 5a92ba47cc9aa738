// SPDX-License-Identifier: MIT
// The bodies of fold_rounds.hpp.
#pragma once

#include <parmap/detail/reduction/fold_rounds.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE fold_rounds::fold_rounds(const open_store& store, const block_rule& rule, attempt_observer& observer,
                                       const options& chosen)
    : store_(store),
      choice_(store.choice()),
      rule_(rule),
      observer_(observer),
      chosen_(chosen),
      is_one_map_(rule.tasks_of_block() == 1),
      last_(chosen.deadline),
      shown_(chosen.reporter, choice_.size()),
      of_round_(chosen) {
  next_.reserve(rule.blocks());
  for (std::uint64_t block = 0; block < rule.blocks(); ++block) next_.push_back(rule.begin(block));
  if (chosen.retry_if)
    of_round_.retry_if = [this](const failure& why) {
      failure among = why;
      among.index = choice_.below(tasks_[why.index]);
      return chosen_.retry_if(among);
    };
  if (!is_one_map_ && !chosen.reporter.is_silent())
    of_round_.reporter = [this](const progress& now) {
      shown_.look(now_ticks(), completed_ + now.completed, failed_ + now.failed);
    };
}

PARMAP_INLINE fold_rounds::~fold_rounds() = default;

PARMAP_INLINE bool fold_rounds::next() {
  if (!why_stopped_.empty()) {
    stop_the_rest();
    return false;
  }
  tasks_.clear();
  for (std::uint64_t block = 0; block < next_.size(); ++block) {
    const std::uint64_t end = rule_.end(block);
    std::uint64_t& at = next_[block];
    while (at < end && !choice_.has(at)) ++at;
    if (at < end) tasks_.push_back(at++);
  }
  if (tasks_.empty()) return false;
  if (is_one_map_) return true;
  if (last_.is_set())
    of_round_.deadline =
        std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds(1), last_.begin_no_more() - deadline::clock::now());
  if (chosen_.max_failures) of_round_.max_failures = *chosen_.max_failures - failed_;
  return true;
}

PARMAP_INLINE void fold_rounds::add(const failure_list& of_round) {
  std::uint64_t ran = tasks_.size();
  for (const auto& [why, tasks] : runs_of(of_round)) {
    ran -= tasks;
    const bool stopped = why.kind == failure_kind::stopped;
    if (!stopped) failed_ += tasks;
    else if (why_stopped_.empty()) why_stopped_ = why.message;
    for (std::uint64_t k = why.index; k < why.index + tasks; ++k) {
      failure it = why;
      it.index = tasks_[k];
      failures_.emplace_back(std::move(it), 1);
    }
  }
  completed_ += ran;
  if (why_stopped_.empty() && chosen_.max_failures && failed_ >= *chosen_.max_failures)
    why_stopped_ = max_failures_text;
}

// In runs of consecutive tasks, as they may be many.
PARMAP_INLINE void fold_rounds::stop_the_rest() {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  for (std::uint64_t block = 0; block < next_.size(); ++block) {
    for (std::uint64_t i = next_[block]; i < rule_.end(block); ++i) {
      if (!choice_.has(i)) continue;
      if (i != end) {
        add_stopped(failures_, begin, end, why_stopped_);
        begin = i;
      }
      end = i + 1;
    }
    next_[block] = rule_.end(block);
  }
  add_stopped(failures_, begin, end, why_stopped_);
}

PARMAP_INLINE failure_runs fold_rounds::finish() {
  if (!is_one_map_ || choice_.size() == 0) shown_.finish(completed_, failed_);
  return std::move(failures_);
}

PARMAP_INLINE std::uint64_t fold_rounds::size() const noexcept { return tasks_.size(); }
PARMAP_INLINE std::uint64_t fold_rounds::stream(std::uint64_t k) const noexcept {
  return store_.stream(choice_.below(tasks_[k]));
}

PARMAP_INLINE void fold_rounds::begun(const attempt& it) noexcept { observer_.begun(among_missing(it)); }
PARMAP_INLINE void fold_rounds::failed(const attempt& it, const failure& why) noexcept {
  observer_.failed(among_missing(it), why);
}
PARMAP_INLINE void fold_rounds::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  observer_.ended(among_missing(it), value, why);
}
PARMAP_INLINE void fold_rounds::happened_to(unsigned worker, worker_event what,
                                            attempt::clock::time_point when) noexcept {
  observer_.happened_to(worker, what, when);
}

}  // namespace parmap::inline PARMAP_ABI::detail
