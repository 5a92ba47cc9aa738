// SPDX-License-Identifier: MIT
// fold_rounds: the course of a fold with a store: maps of one task of each block, one after the other.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/task_choice.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Each task of a block changes what the one before it has left, and its accumulator has to be stored before the next
// one is. So a round is a map of the next missing task of each block. It numbers its tasks from 0; whoever observes the
// fold hears of them as of one map of all missing tasks, and so does the reporter.
class fold_rounds final : public renumbering, public attempt_observer {
 public:
  // `chosen`: those of the fold, with its seed. Refers to all of them.
  PARMAP_API fold_rounds(const open_store& store, const block_rule& rule, attempt_observer& observer,
                         const options& chosen);
  PARMAP_API ~fold_rounds();

  // Goes on to the next round. False if no task is left that may begin; those that are left have failed as stopped.
  [[nodiscard]] PARMAP_API bool next();
  // The options of the round.
  [[nodiscard]] const options& of_round() const noexcept { return of_round_; }
  // The engine has returned these failures of the round.
  PARMAP_API void add(const failure_list& of_round);
  // No round is left: those of all rounds.
  [[nodiscard]] PARMAP_API failure_runs finish();

  // The tasks of the round.
  [[nodiscard]] PARMAP_API std::uint64_t size() const noexcept override;
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const noexcept override { return tasks_[k]; }
  [[nodiscard]] PARMAP_API std::uint64_t stream(std::uint64_t k) const noexcept override;

  PARMAP_API void begun(const attempt& it) noexcept override;
  PARMAP_API void failed(const attempt& it, const failure& why) noexcept override;
  PARMAP_API void ended(const attempt& it, seen_value value, const failure* why) noexcept override;
  PARMAP_API void happened_to(unsigned worker, worker_event what, attempt::clock::time_point when) noexcept override;

 private:
  [[nodiscard]] attempt among_missing(attempt it) const noexcept {
    it.task = choice_.below(tasks_[it.task]);
    return it;
  }
  void stop_the_rest();

  const open_store& store_;
  const task_choice& choice_;
  block_rule rule_;
  attempt_observer& observer_;
  const options& chosen_;
  bool is_one_map_;  // each block has one task
  deadline last_;
  lazy_meter shown_;
  options of_round_;
  std::vector<std::uint64_t> tasks_;
  std::vector<std::uint64_t> next_;  // of each block: the task from which on none has run
  failure_runs failures_;
  std::uint64_t completed_{};
  std::uint64_t failed_{};   // those that were stopped do not count
  std::string why_stopped_;  // no task begins any more
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/reduction/fold_rounds.inl.hpp>
#endif
