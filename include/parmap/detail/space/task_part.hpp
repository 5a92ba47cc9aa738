// SPDX-License-Identifier: MIT
// task_part: the tasks of a map that are in one of its parts. Engines, and the places of the values, number them from
// 0.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/part.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class task_part final : public renumbering {
 public:
  static constexpr std::uint64_t nowhere = ~std::uint64_t{0};

  // Of `tasks` tasks, those whose index is which.index() modulo which.count().
  task_part(std::uint64_t tasks, const part& which) noexcept;
  // Those whose number is: a store has given a task its number when it saw it first, and it stays in its part while the
  // axes grow. O(tasks).
  task_part(std::uint64_t tasks, const part& which, const std::function<std::uint64_t(std::uint64_t index)>& number);

  [[nodiscard]] const part& which() const noexcept { return which_; }
  // The number of tasks of the map.
  [[nodiscard]] std::uint64_t of() const noexcept { return tasks_; }
  // The number of its tasks.
  [[nodiscard]] PARMAP_API std::uint64_t size() const noexcept override;
  // The index of its task k in the map; ascending.
  [[nodiscard]] PARMAP_API std::uint64_t index(std::uint64_t k) const noexcept override;
  [[nodiscard]] std::uint64_t stream(std::uint64_t k) const noexcept override;
  // The other way: which of its tasks the task `index` of the map is; nowhere if it is in another part. O(1), and
  // O(log size) where numbers are not indices.
  [[nodiscard]] PARMAP_API std::uint64_t place(std::uint64_t index) const noexcept;

 private:
  part which_;
  std::uint64_t tasks_;
  std::uint64_t size_;
  std::vector<std::uint64_t> some_;  // the indices, where they are not evenly spaced
};

// Made and destroyed in libparmap, as it has virtual functions.
[[nodiscard]] PARMAP_API std::shared_ptr<const task_part> part_of_tasks(std::uint64_t tasks, const part& which);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/space/task_part.inl.hpp>
#endif
