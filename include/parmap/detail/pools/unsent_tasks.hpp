// SPDX-License-Identifier: MIT
// unsent_tasks: the tasks of one job on a pool that have not been sent to its workers.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/kept_bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Tasks that were given to a pool together, or a task that is to be tried again.
struct task_piece {
  std::uint64_t task{};
  std::uint64_t count{};
  kept_inputs inputs{};
  unsigned attempt{1};
  std::shared_ptr<kept_function> function{};  // null: that of the job

  [[nodiscard]] std::uint64_t last() const noexcept { return task + count - 1; }
};

// Under the dispatcher's lock. Each function but for_each and clear is O(log n).
class unsent_tasks {
 public:
  [[nodiscard]] bool empty() const noexcept { return again_.empty() && first_.empty(); }
  [[nodiscard]] std::size_t pieces() const noexcept { return again_.size() + first_.size(); }
  // A first attempt waits behind those of lower tasks; a later one goes before all of these.
  void add(task_piece what) {
    auto& to = what.attempt > 1 ? again_ : first_;
    const std::uint64_t last = what.last();
    to.emplace(last, std::move(what));
  }

  // The piece that is to be sent next. There must be one.
  [[nodiscard]] const task_piece& front() const noexcept { return next().begin()->second; }
  // The first tasks of it have been sent.
  void drop_front(std::uint64_t tasks) noexcept {
    auto& from = again_.empty() ? first_ : again_;
    task_piece& piece = from.begin()->second;
    piece.task += tasks;
    piece.count -= tasks;
    if (piece.count == 0) from.erase(from.begin());
  }

  // The first attempt of a task that was added alone, and has not been sent; null: there is none.
  [[nodiscard]] const task_piece* find(std::uint64_t task) const noexcept {
    const auto found = first_.find(task);
    return found != first_.end() && found->second.count == 1 ? &found->second : nullptr;
  }
  // That one is dropped.
  void drop(std::uint64_t task) noexcept { first_.erase(task); }

  // Calls visit(piece) for each piece, those of tasks that are to be tried again first.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto* const all : {&again_, &first_})
      for (const auto& [last, each] : *all) visit(each);
  }
  // Those that lie in tasks [task, task + count) are moved to another list.
  void take(std::uint64_t task, std::uint64_t count, unsent_tasks& to) noexcept {
    for (const auto& [from, there] : {std::pair(&again_, &to.again_), std::pair(&first_, &to.first_)})
      for (auto at = from->lower_bound(task); at != from->end() && at->first - task < count;) {
        const auto next = std::next(at);
        if (at->second.task >= task) there->insert(from->extract(at));
        at = next;
      }
  }
  void clear() noexcept {
    again_.clear();
    first_.clear();
  }

 private:
  // By their last tasks, which stay as the front one is sent bit by bit.
  using pieces_in_order = std::map<std::uint64_t, task_piece>;

  [[nodiscard]] const pieces_in_order& next() const noexcept { return again_.empty() ? first_ : again_; }

  pieces_in_order again_;
  pieces_in_order first_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
