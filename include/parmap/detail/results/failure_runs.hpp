// SPDX-License-Identifier: MIT
// The failures of tasks that will not be begun any more.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <cstdint>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr const char* stop_requested_text = "a stop was requested";
inline constexpr const char* deadline_text = "options.deadline was reached";
inline constexpr const char* max_failures_text = "options.max_failures was reached; the other failures say why";

// Adds failures for tasks [b, e), which will not be begun any more. The first one may have had attempts that failed.
PARMAP_API void add_stopped(failure_runs& runs, std::uint64_t b, std::uint64_t e, const std::string& why,
                            unsigned attempts_of_first = 0);

// Adds the failures of the tasks why.index + 0, 1, ..., tasks - 1, which have the indices index_of(k) in the map: tasks
// between two of them may have ended otherwise.
template <class IndexOf>
void add_by_index(failure_runs& to, const failure& why, std::uint64_t tasks, const IndexOf& index_of) {
  const std::uint64_t end = why.index + tasks;
  for (std::uint64_t k = why.index; k < end;) {
    failure it = why;
    it.index = index_of(k);
    std::uint64_t same = 1;
    while (k + same < end && index_of(k + same) == it.index + same) ++same;
    to.emplace_back(std::move(it), same);
    k += same;
  }
}

// The list with further failures of tasks that it does not contain yet.
[[nodiscard]] PARMAP_API failure_list add_failures(failure_list list, failure_runs more);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/failure_runs.inl.hpp>
#endif
