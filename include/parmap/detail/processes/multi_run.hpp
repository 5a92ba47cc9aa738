// SPDX-License-Identifier: MIT
// run_in_processes: one map on the engine multi; lays out the memory, has the supervisor run the rounds, and collects
// results and failures.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/detail/system/worker_assignment.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

namespace parmap::inline PARMAP_ABI::detail {

struct multi_results {
  failure_list failures;
  shared_memory slots;  // the values of all other tasks, if a slot holds the value itself
};

// Runs all tasks in forked workers. `reader` decodes the values if slots are encoded; else it is null. If this function
// throws, no decoded value is left.
[[nodiscard]] PARMAP_API multi_results run_in_processes(const process_tasks& tasks, value_reader* reader,
                                                        const options& chosen);

// Runs a worker that is a separate program, see language_runtime.hpp. `memory` is the descriptor of the map's memory.
// at_go(given) is called just before the first task. Throws std::system_error if the memory cannot be mapped.
[[noreturn]] PARMAP_API void serve_as_program(const process_tasks& tasks, const worker_assignment& mine, int memory,
                                              void (*at_go)(void* given), void* given);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/processes/multi_run.inl.hpp>
#endif
