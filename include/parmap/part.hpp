// SPDX-License-Identifier: MIT
// part: one of several parts of a map's tasks, each of which is run by a call of its own, such as a job of an array.
#pragma once

#include <parmap/detail/config.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI {

/// For options::part: of a map whose tasks are divided among `count` calls, the part that this call runs. It has the
/// tasks whose index is `index` modulo `count`. Parts are numbered from 0. A regular value type.
///
///     parmap::map(f, x, {.part = {3, 16}});                     // the tasks 3, 19, 35, ...
///     parmap::map(f, x, {.part = parmap::slurm_array_part()});  // that of this job of a Slurm array
class part {
 public:
  /// All tasks: part 0 of 1.
  part() noexcept = default;
  /// Part `index` of `count`. map throws std::invalid_argument if there is no such part.
  template <std::integral Index, std::integral Count>
  part(Index index, Count count) noexcept
      : index_(static_cast<std::uint64_t>(index)),
        count_(static_cast<std::uint64_t>(count)) {}

  /// The number of the part, from 0.
  [[nodiscard]] std::uint64_t index() const noexcept { return index_; }
  /// How many parts there are.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Whether all tasks are in it.
  [[nodiscard]] bool is_whole() const noexcept { return count_ == 1 && index_ == 0; }

  friend bool operator==(const part&, const part&) = default;

 private:
  std::uint64_t index_{};
  std::uint64_t count_{1};
};

/// "part 3 of 16".
[[nodiscard]] PARMAP_API std::string to_string(const part& which);

/// The part that belongs to this job of a Slurm job array: `sbatch --array=0-15` has the parts 0 to 15 of 16, and so
/// has `--array=1-16`. It reads SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN, SLURM_ARRAY_TASK_COUNT and
/// SLURM_ARRAY_TASK_STEP. Throws std::runtime_error if the program is not a job of an array, or if that has gaps, as
/// `--array=3,7` has: then the number of parts is not known, and stands in the program: `.part = {3, 16}`.
[[nodiscard]] PARMAP_API part slurm_array_part();

}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/space/part.inl.hpp>
#endif
