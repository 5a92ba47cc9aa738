// SPDX-License-Identifier: MIT
// block_tree: the accumulators of a reduction in this process: blocks of which a part is done, and the binary tree over
// the blocks.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The accumulator of the first tasks of a block, up to the task `next`.
template <class T>
struct block_prefix {
  std::optional<T> accumulator;
  std::uint64_t next;
  std::optional<std::uint64_t> first;  // the first task that is in it
};
// Values of tasks [b, e) of a block, which wait for those before them. A task that has failed has none.
template <class T>
struct kept_values {
  std::uint64_t b;
  std::uint64_t e;
  std::vector<std::pair<std::uint64_t, T>> values;
};
// What blocks [place << level, (place + 1) << level) come to.
template <class T>
struct tree_node {
  unsigned level;
  std::uint64_t place;
  T value;
  std::uint64_t first;  // the first task that is in it
};

// Several threads may add to it at once. Whoever adds the second of two neighbours combines them, outside the lock. So
// with W workers it holds the values of a few blocks for each worker, and at most W nodes of each level.
template <class Reducer>
class block_tree {
 public:
  using value = typename Reducer::value;
  using prefix = block_prefix<value>;
  using kept = kept_values<value>;
  using node = tree_node<value>;

  // `lets_out`: what the combination of two values throws leaves the call. Else it becomes a failure, and the right one
  // is left out.
  block_tree(const Reducer& reducer, block_rule rule, bool lets_out)
      : reducer_(reducer),
        rule_(rule),
        lets_out_(lets_out) {}

  // Takes the accumulator of the block of task `next` if it ends right before it.
  [[nodiscard]] std::optional<prefix> take_prefix(std::uint64_t next) {
    const std::scoped_lock lock(mutex_);
    const auto at = opened_.find(rule_.block_of(next));
    if (at == opened_.end() || !at->second.begin || at->second.begin->next != next) return {};
    return std::exchange(at->second.begin, std::nullopt);
  }
  void add(std::uint64_t block, prefix begin) {
    while (begin.next != rule_.end(block)) {
      std::unique_lock lock(mutex_);
      opened& mine = opened_[block];
      const auto behind = mine.pieces.find(begin.next);
      if (behind == mine.pieces.end()) {
        mine.begin = std::move(begin);
        return;
      }
      const kept piece = std::move(behind->second);
      mine.pieces.erase(behind);
      lock.unlock();
      absorb(block, begin, piece);
    }
    {
      const std::scoped_lock lock(mutex_);
      opened_.erase(block);
    }
    if (begin.first) add(node{0, block, std::move(*begin.accumulator), *begin.first});
    else if (block == 0) add(node{0, 0, std::move(*begin.accumulator), 0});
  }
  void add(std::uint64_t block, kept piece) {
    if (piece.b == piece.e) return;
    std::unique_lock lock(mutex_);
    opened& mine = opened_[block];
    if (!mine.begin || mine.begin->next != piece.b) {
      mine.pieces.emplace(piece.b, std::move(piece));
      return;
    }
    prefix begin = *std::exchange(mine.begin, std::nullopt);
    lock.unlock();
    absorb(block, begin, piece);
    add(block, std::move(begin));
  }
  void add(node made) {
    for (;;) {
      std::unique_lock lock(mutex_);
      const auto twin = nodes_.find({made.level, made.place ^ 1});
      if (twin == nodes_.end()) {
        nodes_.emplace(key(made), std::move(made));
        return;
      }
      node other = std::move(twin->second);
      nodes_.erase(twin);
      lock.unlock();
      try {
        if (made.place % 2 == 0) combine(made, other);
        else combine(other, made), made = std::move(other);
      } catch (...) {  // only if it is let out: finish() tries again
        lock.lock();
        nodes_.insert_or_assign(key(made), std::move(made));
        nodes_.insert_or_assign(key(other), std::move(other));
        throw;
      }
    }
  }
  // Combines a node with its right neighbour of the same level; the result is in `left`, one level higher.
  PARMAP_CATCHES_FORCED_UNWIND void combine(node& left, const node& right) {
    try {
      left.value = reducer_.combined(std::as_const(left.value), right.value);
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {
      if (lets_out_) throw;
      fail(right.first, rule_.begin(left.place << left.level), last_of(right));
    }
    ++left.level;
    left.place /= 2;
  }

  // Call when no thread adds any more: combines what there is. Block 0 is always there, as it begins with the initial
  // value.
  [[nodiscard]] value finish() {
    for (auto& [block, mine] : std::exchange(opened_, {})) {
      prefix begin = mine.begin ? std::move(*mine.begin) : prefix{reducer_.start(block), rule_.begin(block), {}};
      for (auto& [b, piece] : mine.pieces) absorb(block, begin, piece);
      begin.next = rule_.end(block);
      add(block, std::move(begin));
    }
    const auto holds_block_0 = [](const auto& each) { return each.first.second == 0; };
    if (std::ranges::none_of(nodes_, holds_block_0)) add(node{0, 0, reducer_.start(0).value(), 0});
    while (nodes_.size() > 1) {
      // The lowest level comes first. A node there without a neighbour will never have one.
      node lone = std::move(nodes_.begin()->second);
      nodes_.erase(nodes_.begin());
      if (!nodes_.contains({lone.level, lone.place ^ 1})) {
        lone.level += 1;
        lone.place /= 2;
      }
      add(std::move(lone));
    }
    return std::move(nodes_.begin()->second.value);
  }
  [[nodiscard]] failure_runs take_failures() { return std::move(failures_); }

 private:
  using level_and_place = std::pair<unsigned, std::uint64_t>;
  struct opened {
    std::optional<prefix> begin;
    std::map<std::uint64_t, kept> pieces;  // by their first task
  };

  [[nodiscard]] static level_and_place key(const node& of) noexcept { return {of.level, of.place}; }
  [[nodiscard]] std::uint64_t last_of(const node& of) const noexcept {
    const std::uint64_t behind = (of.place + 1) << of.level;
    return behind < rule_.blocks() ? rule_.begin(behind) : rule_.tasks();
  }

  PARMAP_CATCHES_FORCED_UNWIND void absorb(std::uint64_t block, prefix& begin, const kept& piece) {
    for (const auto& [task, made] : piece.values) {
      try {
        if (begin.accumulator) begin.accumulator = reducer_.combined(std::as_const(*begin.accumulator), made);
        else begin.accumulator = made;
        if (!begin.first) begin.first = task;
      } catch (const forced_unwind&) {
        throw;
      } catch (...) {
        if (lets_out_) throw;
        fail(task, rule_.begin(block), rule_.end(block));
      }
    }
    begin.next = piece.e;
  }

  // Inside a catch block.
  void fail(std::uint64_t task, std::uint64_t b, std::uint64_t e) {
    failure why = failure_of_combining(task, b, e);
    const std::scoped_lock lock(mutex_);
    failures_.emplace_back(std::move(why), 1);
  }

  const Reducer& reducer_;
  block_rule rule_;
  bool lets_out_;
  std::mutex mutex_;
  std::map<std::uint64_t, opened> opened_;  // by block
  std::map<level_and_place, node> nodes_;
  failure_runs failures_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
