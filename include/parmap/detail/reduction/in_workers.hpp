// SPDX-License-Identifier: MIT
// reduce_in_workers: one reduction on the engine multi. Workers run the tasks and fold them; then workers fold the
// values that had to be kept, and one combines the blocks. So no call of the user's functions can end the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/reduction/shared_accumulators.hpp>
#include <parmap/detail/reduction/tree_tasks.hpp>
#include <parmap/detail/reduction/worker_tasks.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/progress.hpp>
#include <parmap/reduction.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The options of the runs in which values are combined: what ends a map early does not end them, as they make its
// partial value.
[[nodiscard]] inline options combining_options(const options& of_map, unsigned workers) {
  options made = of_map;
  made.deadline.reset();
  made.on_interrupt = {};
  made.reporter = report::silent;
  made.retry_delay = {};
  made.retry_if = {};
  made.stop = {};
  made.workers = workers;
  return made;
}

template <class Tasks, class Reducer>
class worker_reduction {
 public:
  using value = typename Reducer::value;

  worker_reduction(const Tasks& tasks, const Reducer& reducer, const options& chosen)
      : tasks_(tasks),
        reducer_(reducer),
        options_(chosen),
        workers_(static_cast<unsigned>(
            std::clamp<std::uint64_t>(tasks.size(), 1, chosen.workers != 0 ? chosen.workers : usable_cores()))),
        shared_(block_rule(tasks.size(), reducer.block(tasks.size())), Reducer::makes_values, workers_) {}

  reduction<value> run() {
    failure_list failures =
        run_in_processes(reducing_tasks<Tasks, Reducer>(tasks_, reducer_, shared_, postpones_retries(options_)),
                         nullptr, options_)
            .failures;
    // Before anybody else works on these blocks.
    failures = with_combining(std::move(failures), {}, [this](const failure& why) { return text_of_death(why); });
    absorb_kept(failures);
    value made = combine_blocks(failures);
    failures = with_combining(std::move(failures), std::move(combining_), no_text);
    return {std::move(made), tasks_.size(), with_inputs_by_child(tasks_, std::move(failures)), *options_.seed};
  }

 private:
  static std::string no_text(const failure& /*why*/) { return {}; }
  // If a worker has died while it combined the value of this task. (What throws says so itself.)
  [[nodiscard]] std::string text_of_death(const failure& why) const {
    const block_rule& rule = shared_.rule();
    const std::uint64_t block = rule.block_of(why.index);
    const bool combined = shared_.block(block).combining.get() == why.index - rule.begin(block) + 1;
    return combined ? text_unless_there(why, rule.begin(block), rule.end(block)) : std::string();
  }
  static std::string text_unless_there(const failure& why, std::uint64_t b, std::uint64_t e) {
    std::string text = combining_text(b, e);
    return why.message.starts_with(text) ? std::string() : text;
  }

  // The first task from `from` on that has not failed.
  [[nodiscard]] std::uint64_t first_with_value(const failure_list& failures, std::uint64_t from) const {
    return failures.next_gap(from, tasks_.size()).first;
  }

  void absorb_kept(const failure_list& failures) {
    const block_rule& rule = shared_.rule();
    std::vector<std::uint64_t> blocks;
    for (std::uint64_t block = 0; block < rule.blocks(); ++block)
      if (const std::uint64_t next = rule.begin(block) + shared_.block(block).done();
          next < rule.end(block) && first_with_value(failures, next) < rule.end(block))
        blocks.push_back(block);
    if (blocks.empty()) return;
    const absorbing_tasks<Reducer> tasks(reducer_, shared_, blocks, failures);
    const auto most = static_cast<unsigned>(std::min<std::uint64_t>(workers_, blocks.size()));
    for (auto& [why, count] : runs_of(run_in_processes(tasks, nullptr, combining_options(options_, most)).failures))
      for (std::uint64_t k = 0; k < count; ++k) {
        failure each = why;
        each.index = tasks.task(why.index + k);
        const std::uint64_t block = rule.block_of(each.index);
        each.message.insert(0, text_unless_there(each, rule.begin(block), rule.end(block)));
        if (each.index < tasks_.size() && !failures.contains(each.index)) add(std::move(each));
      }
  }

  value combine_blocks(const failure_list& failures) {
    const block_rule& rule = shared_.rule();
    if (rule.blocks() == 0) return reducer_.initial();
    const failure_list left_out = with_combining(failures, combining_, no_text);
    const tree_plan plan(
        rule, [this](std::uint64_t block) { return shared_.block(block).done() > 0; },
        [&](std::uint64_t block) { return first_with_value(left_out, rule.begin(block)); });
    const shared_accumulators<value> results(block_rule(plan.all().size(), 1), false, 1);
    const tree_tasks<Reducer> tasks(reducer_, plan, shared_, results);
    if (!plan.all().empty())
      for (auto& [why, count] : runs_of(run_in_processes(tasks, nullptr, combining_options(options_, 1)).failures))
        for (std::uint64_t k = 0; k < count; ++k) {
          const tree_plan::combination& what = plan.all()[why.index + k];
          failure each = why;
          each.index = what.first;
          each.message.insert(0, text_unless_there(each, what.b, what.e));
          add(std::move(each));
        }
    return read(tasks, plan, failures);
  }

  // The value in the caller. What its codec throws is a failure, too.
  value read(const tree_tasks<Reducer>& tasks, const tree_plan& plan, const failure_list& failures) {
    try {
      return tasks.read(plan.result());
    } catch (...) {
      thrown what = describe_or_give_up();
      if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
      if (!what.verbatim) what.message.insert(0, "decoding the value of the reduction: ");
      const std::uint64_t task = first_with_value(with_combining(failures, combining_, no_text), 0);
      if (task < tasks_.size()) add({task, what.kind, std::move(what.message), 1, nullptr});
      return reducer_.initial();
    }
  }

  void add(failure why) { combining_.emplace_back(std::move(why), 1); }

  const Tasks& tasks_;
  const Reducer& reducer_;
  const options& options_;
  unsigned workers_;
  shared_accumulators<value> shared_;
  failure_runs combining_;  // failures of combining values
};

template <class Tasks, class Reducer>
[[nodiscard]] reduction<typename Reducer::value> reduce_in_workers(const Tasks& tasks, const Reducer& reducer,
                                                                   const options& chosen) {
  return worker_reduction<Tasks, Reducer>(tasks, reducer, chosen).run();
}

}  // namespace parmap::inline PARMAP_ABI::detail
