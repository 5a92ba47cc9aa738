// SPDX-License-Identifier: MIT
// The failures of tasks that will not be begun any more.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr const char* stop_requested_text = "a stop was requested";
inline constexpr const char* deadline_text = "options.deadline was reached";
inline constexpr const char* max_failures_text = "options.max_failures was reached; the other failures say why";

// Adds failures for tasks [b, e), which will not be begun any more. The first one may have had attempts that failed.
PARMAP_API void add_stopped(failure_runs& runs, std::uint64_t b, std::uint64_t e, const std::string& why,
                            unsigned attempts_of_first = 0);

// The list with further failures of tasks that it does not contain yet.
[[nodiscard]] PARMAP_API failure_list add_failures(failure_list list, failure_runs more);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/failure_runs.inl.hpp>
#endif
