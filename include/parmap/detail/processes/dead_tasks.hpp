// SPDX-License-Identifier: MIT
// dead_tasks: the tasks that were blamed for the death of a worker, none of which may be run again.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A task that writes over the range could otherwise be run again, and die, without end.
class dead_tasks {
 public:
  static constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
  // A stream may have no end: what is run again there without end comes again soon.
  static constexpr std::size_t of_stream = 4096;

  // Remembers the last `most` of them.
  explicit dead_tasks(std::size_t most) noexcept : most_(most) {}

  // Throws std::runtime_error if the task is among them.
  void note(std::uint64_t task) {
    const auto place = std::ranges::lower_bound(sorted_, task);
    if (place != sorted_.end() && *place == task) throw_overwritten("a task was run again after its death");
    sorted_.insert(place, task);
    if (most_ == all) return;
    in_order_.push_back(task);
    if (in_order_.size() <= most_) return;
    sorted_.erase(std::ranges::lower_bound(sorted_, in_order_.front()));
    in_order_.pop_front();
  }
  [[nodiscard]] std::size_t size() const noexcept { return sorted_.size(); }

 private:
  std::size_t most_;
  std::vector<std::uint64_t> sorted_;
  std::deque<std::uint64_t> in_order_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
