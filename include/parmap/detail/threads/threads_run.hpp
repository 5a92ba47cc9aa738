// SPDX-License-Identifier: MIT
// run_on_threads: one map on the engine threads; the caller and helping threads claim chunks until none are left.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Runs tasks [0, n) on the calling thread and on threads of the pool that help. Returns the failures; all other tasks
// have their values in `values`. If it throws, no value is left there (except after task_tally::give_up).
[[nodiscard]] PARMAP_API failure_list run_on_threads(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                                     const options& chosen);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/threads/threads_run.inl.hpp>
#endif
