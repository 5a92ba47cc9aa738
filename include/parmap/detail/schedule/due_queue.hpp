// SPDX-License-Identifier: MIT
// due_queue: tasks that wait until they are due.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// `Task` has a member `due`. Used by one thread at a time. add and take_first are O(log n).
template <class Task>
class due_queue {
 public:
  using clock = std::chrono::steady_clock;

  void add(const Task& what) {
    heap_.push_back(what);
    std::ranges::push_heap(heap_, later);
  }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  // The one that is due first. Undefined if there is none.
  [[nodiscard]] const Task& first() const noexcept { return heap_.front(); }
  [[nodiscard]] bool is_due() const noexcept { return !empty() && first().due <= clock::now(); }
  // Undefined if there is none.
  Task take_first() {
    std::ranges::pop_heap(heap_, later);
    const Task taken = heap_.back();
    heap_.pop_back();
    return taken;
  }
  [[nodiscard]] std::vector<Task> take_all() { return std::exchange(heap_, {}); }

 private:
  static bool later(const Task& a, const Task& b) noexcept { return a.due > b.due; }

  std::vector<Task> heap_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
