// SPDX-License-Identifier: MIT
// The bodies of results.hpp.
#pragma once

#include <parmap/results.hpp>

#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void results_base::throw_map_failed() const { throw map_failed(failures_, size_); }

PARMAP_INLINE void results_base::throw_no_value(std::uint64_t i) const {
  if (i >= size_)
    throw std::out_of_range("parmap: there is no task " + std::to_string(i) + " in results of size " +
                            std::to_string(size_));
  throw task_failed(failures_[failures_.count_below(i)]);
}

}  // namespace parmap::inline PARMAP_ABI::detail
