// SPDX-License-Identifier: MIT
// run_on_threads: one map on the engine threads; the caller and helping threads claim chunks until none are left.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// Runs tasks [0, n) on the calling thread and on threads of the pool that help. Returns the failures; all other tasks
// have their values in `values`. If it throws, no value is left there (except after task_tally::give_up).
[[nodiscard]] PARMAP_API failure_list run_on_threads(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                                     const options& chosen);

// The message of a task that was still running when its time was over.
[[nodiscard]] std::string ran_past_limit(std::chrono::nanoseconds limit);
// Throws std::invalid_argument for an option that threads do not support for these tasks.
void refuse_what_threads_lack(const placed_tasks& tasks, const options& chosen);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/threads/threads_run.inl.hpp>
#endif
