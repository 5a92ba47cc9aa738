// SPDX-License-Identifier: MIT
// The bodies of failure_runs.hpp.
#pragma once

#include <parmap/detail/results/failure_runs.hpp>

#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void add_stopped(failure_runs& runs, std::uint64_t b, std::uint64_t e, const std::string& why,
                               unsigned attempts_of_first) {
  if (b < e && attempts_of_first > 0) {
    runs.emplace_back(failure{b, failure_kind::stopped, why, attempts_of_first, nullptr}, 1);
    ++b;
  }
  if (b < e) runs.emplace_back(failure{b, failure_kind::stopped, why, 0, nullptr}, e - b);
}

PARMAP_INLINE failure_list add_failures(failure_list list, failure_runs more) {
  if (more.empty()) return list;
  for (auto& run : runs_of(list)) more.push_back(std::move(run));
  return failure_list(std::move(more));
}

}  // namespace parmap::inline PARMAP_ABI::detail
