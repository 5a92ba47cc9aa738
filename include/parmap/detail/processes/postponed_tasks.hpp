// SPDX-License-Identifier: MIT
// postponed_tasks: failed tasks that wait for another attempt, and the attempts whose failures no longer count.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/interval.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Of one round, in the supervisor's own memory, where no task can write over it. Without bound.
class postponed_tasks {
 public:
  using clock = std::chrono::steady_clock;

  struct task {
    clock::time_point due;
    round_index number;
    unsigned attempts;  // that it has used up
  };

  void add(const task& what) {
    heap_.push_back(what);
    std::ranges::push_heap(heap_, later);
  }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  // The one that is due first.
  [[nodiscard]] const task& first() const noexcept { return heap_.front(); }
  void remove_first() {
    std::ranges::pop_heap(heap_, later);
    heap_.pop_back();
  }

 private:
  static bool later(const task& a, const task& b) noexcept { return a.due > b.due; }

  std::vector<task> heap_;
};

// The failures that workers have published of attempts that were not the last: by the task's index in the map.
class voided_failures {
 public:
  void add(std::uint64_t task, unsigned attempts) {
    newest_[task] = attempts;
    ++count_;
  }
  [[nodiscard]] bool contains(std::uint64_t task, unsigned attempts) const {
    const auto found = newest_.find(task);
    return found != newest_.end() && attempts <= found->second;
  }
  // How many of them there are: each is counted among a worker's finished tasks.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  std::unordered_map<std::uint64_t, unsigned> newest_;
  std::uint64_t count_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
