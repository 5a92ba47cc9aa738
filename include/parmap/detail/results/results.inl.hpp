// SPDX-License-Identifier: MIT
// The bodies of results.hpp.
#pragma once

#include <parmap/detail/results/summary_times.hpp>
#include <parmap/results.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void results_base::throw_map_failed() const { throw map_failed(failures_, size_); }

PARMAP_INLINE void results_base::throw_no_value(std::uint64_t i) const {
  if (i >= size_)
    throw std::out_of_range("parmap: there is no task " + std::to_string(i) + " in results of size " +
                            std::to_string(size_));
  throw task_failed(why_failed(i));
}

PARMAP_INLINE map_summary results_base::summary() const {
  const double ns = static_cast<double>(elapsed_) / ticks_per_us() * 1e3;
  map_summary all{.tasks = size_,
                  .completed = size_ - failures_.size(),
                  .elapsed = std::chrono::nanoseconds(static_cast<std::int64_t>(ns)),
                  .causes = failures_.causes()};
  if (times_ != nullptr) add_times(all, *times_);
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
