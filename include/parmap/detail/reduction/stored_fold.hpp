// SPDX-License-Identifier: MIT
// stored_fold: a fold with a store. It stores the accumulator of a block after each of its tasks, so that it has the
// bits of a fold without one.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/reduction/block_tree.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/fold_rounds.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/detail/stores/sweep_of.hpp>
#include <parmap/detail/traces/map_watch.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/failure.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/reduction.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What the tasks of a block have left.
template <class T>
struct block_so_far {
  std::optional<T> accumulator{};
  std::optional<std::uint64_t> first{};  // the first task that is in it
};

// The tasks of a round: each returns a changed copy of its block's accumulator.
template <class Step, class Space, class T>
class stepping_tasks {
 public:
  using result = T;
  using element_types = typename Space::elements;
  static constexpr bool takes_context = callable<Step, Space>::how::with_context;

  stepping_tasks(const Step& step, const Space& space, fold_rounds& round, const block_rule& rule,
                 const std::vector<block_so_far<T>>& blocks, const T& identity)
      : step_(step),
        space_(space),
        round_(round),
        rule_(rule),
        blocks_(blocks),
        identity_(identity) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return round_.size(); }
  [[nodiscard]] attempt_observer* observer() const noexcept { return &round_; }
  template <class To>
  void show(std::uint64_t k, To& to) const {
    space_.show(round_.index(k), to);
  }

  template <class Visit>
  void for_each(std::uint64_t b, std::uint64_t e, context& self, Visit&& visit) const {
    for (std::uint64_t k = b; k < e; ++k)
      if (!visit(k, [&] { return stepped(k, self); })) return;
  }

 private:
  [[nodiscard]] T stepped(std::uint64_t k, context& self) const {
    const std::uint64_t i = round_.index(k);
    const std::optional<T>& before = blocks_[rule_.block_of(i)].accumulator;
    T made(before ? *before : identity_);
    Step bound = step_.to(made);
    if constexpr (takes_context) self.identify(i, round_.stream(k));
    space_.spread(i, [&](auto&&... x) {
      if constexpr (takes_context) bound(self, static_cast<decltype(x)&&>(x)...);
      else bound(static_cast<decltype(x)&&>(x)...);
    });
    return made;
  }

  const Step& step_;
  const Space& space_;
  fold_rounds& round_;
  const block_rule& rule_;
  const std::vector<block_so_far<T>>& blocks_;
  const T& identity_;
};

// `step`: a bound_step.
template <class Engine, class Step, class Space, class T, class Merge>
reduction<T> fold_with_store(const Engine& who, Step& step, const Space& space,
                             const accumulator_reducer<T, Merge>& reducer, const options& chosen) {
  if constexpr (!can_store_value<T>) {
    refuse_store_for_values();
  } else if constexpr (!can_store_space<Space>) {
    refuse_store_for_axes();
  } else {
    const ticks begun = now_ticks();
    const std::uint64_t n = space.size();
    const block_rule rule(n, reducer.block(n));
    sweep what = sweep_of<T>(step.call(), space, chosen.seed);
    what.set_fold(rule.tasks_of_block(), to_stored(reducer.initial()));
    open_store store(std::move(what), kind_of_value<T>, n, chosen);
    if (stepping_tasks<Step, Space, T>::takes_context && runs_here(who.name())) store.f_sees_stops();

    std::vector<block_so_far<T>> blocks(rule.blocks());
    store.read_accumulators([&](std::uint64_t i, const stored_value& it) {
      block_so_far<T>& mine = blocks[rule.block_of(i)];
      if (!mine.first) mine.first = i;
      if (it.format != value_format::nothing) mine.accumulator.emplace(from_stored<T>(it));
    });

    const numbered_tasks<Step, Space> missing =
        numbered_tasks<Step, Space>(step, space).renumbered_by(store).observed_by(store);
    map_watch watch(store.of_run(), who.name(), missing, chosen.store->status_path(chosen.part));
    fold_rounds rounds(store, rule, watch.observer(), store.of_run());
    const stepping_tasks<Step, Space, T> tasks(step, space, rounds, rule, blocks, reducer.initial());
    while (rounds.next()) {
      results<T> made = who.run(tasks, rounds.of_round());
      made.failures().for_each_gap(made.size(), [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t k = b; k < e; ++k) {
          block_so_far<T>& mine = blocks[rule.block_of(rounds.index(k))];
          mine.accumulator.emplace(std::move(made.places()[k]));
          if (!mine.first) mine.first = rounds.index(k);
        }
      });
      rounds.add(made.failures());
    }
    failure_runs failed = rounds.finish();
    watch.finish();
    static_cast<void>(store.finish());

    block_tree<accumulator_reducer<T, Merge>> tree(reducer, rule, who.name() == serial.name());
    for (std::uint64_t block = 0; block < blocks.size(); ++block)
      if (block_so_far<T>& mine = blocks[block]; mine.first)
        tree.add(tree_node<T>{0, block, std::move(*mine.accumulator), *mine.first});
    T value = tree.finish();
    for (auto& each : store.take_failures()) failed.push_back(std::move(each));
    reduction<T> whole(std::move(value), n,
                       with_combining(failure_list(std::move(failed)), tree.take_failures(),
                                      [](const failure&) { return std::string(); }),
                       *store.of_run().seed);
    whole.note_elapsed(now_ticks() - begun);
    whole = with_times(std::move(whole), who, missing, watch);
    store.pass_notes(whole, whole);
    describe_stored(whole, who, numbered_tasks<Step, Space>(step, space));
    return whole;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
