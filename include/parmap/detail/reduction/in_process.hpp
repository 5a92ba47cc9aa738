// SPDX-License-Identifier: MIT
// reduced_tasks: numbered tasks whose values a thread combines as it runs them; for serial and threads.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/block_tree.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/schedule/claim_blocks.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

template <class Tasks, class Reducer>
class reduced_tasks final : public placed_tasks {
 public:
  using value = typename Reducer::value;

  // `workers`: more threads than that never run tasks. `lets_out`: see block_tree.
  reduced_tasks(const Tasks& tasks, const Reducer& reducer, const options& chosen, std::uint64_t workers, bool lets_out)
      : placed_tasks(Tasks::takes_context,
                     {static_cast<round_index>(reducer.block(tasks.size())), !reducer.makes_values},
                     observer_of(tasks)),
        tasks_(tasks),
        reducer_(reducer),
        rule_(tasks.size(), reducer.block(tasks.size())),
        postpones_(postpones_retries(chosen)),
        lets_out_(lets_out),
        tree_(reducer, rule_, lets_out),
        seats_(std::max<std::uint64_t>(workers, 1)) {}

  void run(task_chunk& chunk, context& self) const override {
    seat& mine = seats_[self.worker()];
    guarded([&] { go_on(mine, chunk.at); });
    bool halted = false;
    while (chunk.at < chunk.end && !halted) {
      if (!mine.open) open(mine, chunk.at);
      const std::uint64_t end = std::min(chunk.end, rule_.end(mine.block));
      if (mine.keeps) halted = !keep_values(mine, chunk, end, self);
      else if constexpr (Reducer::makes_values) halted = !combine_values(mine, chunk, end, self);
      else halted = !take_steps(mine, chunk, end, self);
      if (mine.next == rule_.end(mine.block)) guarded([&] { close(mine); });
    }
    guarded([&] { put_away(mine); });
  }

  // Call when the engine has returned: the value without the tasks that failed. Adds the failures of combining.
  [[nodiscard]] value finish(failure_list& failures) {
    if (broken_) std::rethrow_exception(broken_);
    for (seat& each : seats_) {
      note_combining(each);
      put_away(each);
    }
    value made = tree_.finish();
    failures = with_combining(std::move(failures), tree_.take_failures(), [this](const failure& why) {
      const std::uint64_t block = rule_.block_of(why.index);
      return combining_.contains(why.index) ? combining_text(rule_.begin(block), rule_.end(block)) : std::string();
    });
    return made;
  }

 private:
  // What the accumulator is during a run of tasks: a copy in registers, if that is possible.
  using held = std::conditional_t<std::is_trivially_copyable_v<value> && sizeof(value) <= 64, value, value&>;

  // Of one thread, in cache lines of its own. It keeps a block open from one chunk's exception to its next task.
  struct alignas(128) seat {
    bool open{};
    bool keeps{};      // values, as the tasks before them have not ended
    bool combining{};  // the task `next` has failed after f had returned
    bool fresh{};      // nobody else has had a part of this block
    std::uint64_t block{};
    std::uint64_t next{};
    std::optional<value> accumulator{};
    std::optional<value> spare{};
    std::optional<std::uint64_t> first{};
    kept_values<value> kept{};
    std::vector<tree_node<value>> nodes{};  // of complete blocks, from left to right
  };

  // A run of tasks: puts everything back where it belongs, however it ends.
  struct part {
    part(seat& of, task_chunk& tasks) noexcept : mine(of), chunk(tasks), accumulator(*of.accumulator), next(tasks.at) {}
    part(const part&) = delete;
    part& operator=(const part&) = delete;
    ~part() {
      if constexpr (!std::is_reference_v<held>) *mine.accumulator = accumulator;
      if (!mine.first && next > chunk.at) mine.first = chunk.at;
      mine.combining = combining;
      mine.next = next;
      chunk.at = next;
    }

    seat& mine;
    task_chunk& chunk;
    held accumulator;
    std::uint64_t next;
    bool combining{};
  };

  // What is thrown between tasks is no task's failure: under serial it leaves the call now, else at the end.
  template <class Do>
  PARMAP_CATCHES_FORCED_UNWIND void guarded(const Do& act) const {
    try {
      act();
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {
      if (lets_out_) throw;
      const std::scoped_lock lock(mutex_);
      if (!broken_) broken_ = std::current_exception();
    }
  }

  // The next task of this thread is `at`. After an exception it is the same task or the one behind it.
  void go_on(seat& mine, std::uint64_t at) const {
    if (!mine.open) return;
    if (at == mine.next + 1) note_combining(mine);
    mine.combining = false;
    if (at == mine.next + 1 && !postpones_) mine.next = at;
    if (at != mine.next) put_away(mine);
    else if (at == rule_.end(mine.block)) close(mine);
  }
  void note_combining(seat& mine) const {
    if (!mine.combining) return;
    const std::scoped_lock lock(mutex_);
    combining_.insert(mine.next);
  }

  void open(seat& mine, std::uint64_t at) const {
    const std::uint64_t block = rule_.block_of(at);
    mine.fresh = at == rule_.begin(block);
    auto begun = mine.fresh ? std::nullopt : tree_.take_prefix(at);
    mine.keeps = false;
    if (begun) {
      mine.accumulator = std::move(begun->accumulator);
      mine.first = begun->first;
    } else if (at == rule_.begin(block)) {
      mine.accumulator = reducer_.start(block);
      mine.first.reset();
    } else {
      mine.keeps = true;
      mine.kept = {at, at, {}};
      mine.kept.values.reserve(rule_.end(block) - at);  // so that a value that is made can be kept
    }
    mine.block = block;
    mine.next = at;
    mine.open = true;
  }
  // The block has ended.
  void close(seat& mine) const {
    if (mine.keeps || !mine.fresh) return put_block(mine);
    mine.open = false;
    if (mine.first || mine.block == 0)
      mine.nodes.push_back({0, mine.block, std::move(*mine.accumulator), mine.first.value_or(0)});
    combine_nodes(mine);
  }
  void combine_nodes(seat& mine) const {
    while (mine.nodes.size() > 1) {
      auto& left = *(mine.nodes.end() - 2);
      auto& right = mine.nodes.back();
      if (left.level != right.level || left.place % 2 != 0 || right.place != left.place + 1) return;
      tree_.combine(left, right);
      mine.nodes.pop_back();
    }
  }
  // Gives what the thread has to the tree.
  void put_away(seat& mine) const {
    combine_nodes(mine);
    if (mine.open) put_block(mine);
    while (!mine.nodes.empty()) {
      auto last = std::move(mine.nodes.back());
      mine.nodes.pop_back();
      tree_.add(std::move(last));
    }
  }
  void put_block(seat& mine) const {
    mine.open = false;
    if (mine.keeps) {
      mine.kept.e = mine.next;
      tree_.add(mine.block, std::move(mine.kept));
    } else if (mine.next > rule_.begin(mine.block)) {
      tree_.add(mine.block, block_prefix<value>{std::move(mine.accumulator), mine.next, mine.first});
    }
  }

  // Each of these runs tasks until `end`; false if the gate lets none begin any more.

  bool combine_values(seat& mine, task_chunk& chunk, std::uint64_t end, context& self) const {
    if (!mine.accumulator) {
      if (!first_value(mine, chunk, self)) return false;
      if (chunk.at == end) return true;
    }
    if constexpr (!Tasks::takes_context)
      if (chunk.gate == nullptr) {
        combine_plainly(mine, chunk, end, self);
        return true;
      }
    part now(mine, chunk);
    tasks_.for_each(chunk.at, end, self, [&](std::uint64_t i, const auto& call) {
      if (!chunk.gate->begin(i, self)) return false;
      value made = static_cast<value>(call());
      now.combining = true;
      made = reducer_.combined(std::as_const(now.accumulator), std::move(made));
      now.combining = false;
      chunk.gate->end(self);
      now.accumulator = std::move(made);
      now.next = i + 1;
      return true;
    });
    return now.next == end;
  }
  // A function of its own, so that the compiler keeps the loop's variables in registers.
  [[gnu::noinline]] void combine_plainly(seat& mine, task_chunk& chunk, std::uint64_t end, context& self) const {
    part now(mine, chunk);
    tasks_.for_each(chunk.at, end, self, [&](std::uint64_t i, const auto& call) {
      value made = static_cast<value>(call());
      now.combining = true;
      now.accumulator = reducer_.combined(std::as_const(now.accumulator), std::move(made));
      now.combining = false;
      now.next = i + 1;
      return true;
    });
  }
  // The first value of a block is its accumulator.
  bool first_value(seat& mine, task_chunk& chunk, context& self) const {
    const std::uint64_t at = chunk.at;
    tasks_.for_each(at, at + 1, self, [&](std::uint64_t i, const auto& call) {
      if (chunk.gate != nullptr && !chunk.gate->begin(i, self)) return false;
      value made = static_cast<value>(call());
      if (chunk.gate != nullptr) chunk.gate->end(self);
      mine.accumulator.emplace(std::move(made));
      mine.first = i;
      mine.next = chunk.at = i + 1;
      return true;
    });
    return chunk.at != at;
  }

  bool keep_values(seat& mine, task_chunk& chunk, std::uint64_t end, context& self) const {
    if constexpr (Reducer::makes_values) {
      tasks_.for_each(chunk.at, end, self, [&](std::uint64_t i, const auto& call) {
        if (chunk.gate != nullptr && !chunk.gate->begin(i, self)) return false;
        value made = static_cast<value>(call());
        if (chunk.gate != nullptr) chunk.gate->end(self);
        mine.kept.values.emplace_back(i, std::move(made));
        mine.next = chunk.at = i + 1;
        return true;
      });
    }
    return chunk.at == end;
  }

  // A step that throws, or ends too late, leaves the accumulator as it was before it.
  bool take_steps(seat& mine, task_chunk& chunk, std::uint64_t end, context& self) const {
    if constexpr (!Reducer::makes_values) {
      using step = std::remove_cvref_t<decltype(tasks_.function())>;
      constexpr bool safe = steps_without_throwing<step, typename Tasks::element_types>;
      if constexpr (safe && !Tasks::takes_context)
        if (chunk.gate == nullptr) {
          step_plainly(mine, chunk, end, self);
          return true;
        }
      part now(mine, chunk);
      struct restore {
        part& of;
        bool needed{};
        ~restore() {
          if (needed) of.accumulator = std::move(*of.mine.spare);
        }
      } back{now};
      step bound = tasks_.function().to(now.accumulator);
      tasks_.with(bound).for_each(chunk.at, end, self, [&](std::uint64_t i, const auto& call) {
        if (chunk.gate != nullptr && !chunk.gate->begin(i, self)) return false;
        if (mine.spare) *mine.spare = std::as_const(now.accumulator);
        else mine.spare.emplace(std::as_const(now.accumulator));
        back.needed = true;
        call();
        if (chunk.gate != nullptr) chunk.gate->end(self);
        back.needed = false;
        now.next = i + 1;
        return true;
      });
      return now.next == end;
    } else {
      return false;
    }
  }

  [[gnu::noinline]] void step_plainly(seat& mine, task_chunk& chunk, std::uint64_t end, context& self) const {
    part now(mine, chunk);
    auto bound = tasks_.function().to(now.accumulator);
    tasks_.with(bound).for_each(chunk.at, end, self, [&](std::uint64_t i, const auto& call) {
      call();
      now.next = i + 1;
      return true;
    });
  }

  const Tasks& tasks_;
  const Reducer& reducer_;
  block_rule rule_;
  bool postpones_;
  bool lets_out_;
  mutable block_tree<Reducer> tree_;
  mutable std::vector<seat> seats_;  // of each worker
  mutable std::mutex mutex_;
  mutable std::exception_ptr broken_;                    // memory ran out
  mutable std::unordered_set<std::uint64_t> combining_;  // the tasks whose values could not be combined
};

// How many threads may run tasks of a map on the engine threads.
[[nodiscard]] inline std::uint64_t most_threads(std::uint64_t tasks, const options& chosen) {
  return std::min<std::uint64_t>(tasks, chosen.workers != 0 ? chosen.workers : usable_cores());
}

}  // namespace parmap::inline PARMAP_ABI::detail
