// SPDX-License-Identifier: MIT
// run_serially: one map on the engine serial, as a loop on the calling thread.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Runs tasks [0, n) in order. Returns the tasks that were stopped; all others have their values in `values`. An
// exception of a task passes through after its retries; then no value is left.
[[nodiscard]] PARMAP_API failure_list run_serially(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                                   const options& chosen);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/threads/serial_run.inl.hpp>
#endif
