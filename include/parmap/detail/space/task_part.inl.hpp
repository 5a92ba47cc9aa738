// SPDX-License-Identifier: MIT
// The bodies of task_part.hpp.
#pragma once

#include <parmap/detail/space/task_part.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE task_part::task_part(std::uint64_t tasks, const part& which) noexcept
    : which_(which),
      tasks_(tasks),
      size_(tasks > which.index() ? (tasks - which.index() - 1) / which.count() + 1 : 0) {}

PARMAP_INLINE task_part::task_part(std::uint64_t tasks, const part& which,
                                   const std::function<std::uint64_t(std::uint64_t index)>& number)
    : task_part(tasks, which) {
  std::vector<std::uint64_t> found;
  bool is_even = true;
  for (std::uint64_t i = 0; i < tasks; ++i) {
    if (number(i) % which.count() != which.index()) continue;
    is_even = is_even && i == which.index() + found.size() * which.count();
    found.push_back(i);
  }
  if (is_even && found.size() == size_) return;
  some_ = std::move(found);
  size_ = some_.size();
}

PARMAP_INLINE std::shared_ptr<const task_part> part_of_tasks(std::uint64_t tasks, const part& which) {
  return std::make_shared<const task_part>(tasks, which);
}

PARMAP_INLINE std::uint64_t task_part::size() const noexcept { return size_; }
PARMAP_INLINE std::uint64_t task_part::index(std::uint64_t k) const noexcept {
  return some_.empty() ? which_.index() + k * which_.count() : some_[k];
}
PARMAP_INLINE std::uint64_t task_part::stream(std::uint64_t k) const noexcept { return index(k); }
PARMAP_INLINE std::uint64_t task_part::place(std::uint64_t index) const noexcept {
  if (some_.empty()) {
    const bool is_here = index < tasks_ && size_ > 0 && index % which_.count() == which_.index();
    return is_here ? index / which_.count() : nowhere;
  }
  const auto found = std::ranges::lower_bound(some_, index);
  return found != some_.end() && *found == index ? static_cast<std::uint64_t>(found - some_.begin()) : nowhere;
}

}  // namespace parmap::inline PARMAP_ABI::detail
