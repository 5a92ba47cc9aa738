// SPDX-License-Identifier: MIT
// One map on the engine multi: lays out the memory, lets the supervisor run the rounds, collects results and failures.
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
  shared_memory slots;  // with the values of all other tasks, where a slot is the value itself
};

// Runs all tasks in forked workers. `reader`: where slots are encoded, puts the values; else null. If it throws, the
// reader has put no value that is left.
[[nodiscard]] PARMAP_API multi_results run_in_processes(const process_tasks& tasks, value_reader* reader,
                                                        const options& chosen);

// The life of a worker that is a program of its own, see language_runtime.hpp: `memory` is the descriptor it was
// started with; at_go(given) is called just before its first task. Throws std::system_error if that cannot be mapped.
[[noreturn]] PARMAP_API void serve_as_program(const process_tasks& tasks, const worker_assignment& mine, int memory,
                                              void (*at_go)(void* given), void* given);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/processes/multi_run.inl.hpp>
#endif
