// SPDX-License-Identifier: MIT
// map_notes: what the results of some maps know beside the values and failures.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_columns.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Which tasks of a map have outcomes of a store: those whose bits are clear.
struct stored_tasks {
  std::vector<std::uint64_t> others{};
  std::uint64_t count{};
};

// How long the last attempt of each task took, and on which worker; NaN: not known.
struct task_measures {
  std::vector<float> seconds{};
  std::vector<unsigned> workers{};
};

// Behind a pointer, as most maps have none.
struct map_notes {
  PARMAP_API ~map_notes();

  stored_tasks stored{};
  std::optional<map_times> times{};
  input_columns inputs{};                // of the named axes
  task_measures measured{};              // of a map with a store
  std::optional<failure_list> absent{};  // tasks without a value here, if these are more than have failed
  // If only these tasks ran. Then `absent` has those of them that have failed, and they are numbered by their places.
  std::shared_ptr<const task_part> part{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
