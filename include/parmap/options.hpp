// SPDX-License-Identifier: MIT
// The options of one map, and the checks of their values that do not depend on an engine.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/progress.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// The last argument of map; every field has a default. An option that an engine does not support throws
/// std::invalid_argument before anything starts. Only serial accepts all options, so that switching to it changes one
/// word.
///
/// The fields are in alphabetical order, so that designated initialisers can be written without looking the order up.
/// The order is a promise; a new field goes to its alphabetical place.
///
///     parmap::map(f, x, {.retries = 1, .timeout = 5s, .workers = 4});
struct options {
  /// Begin no new task once this many tasks have failed; at least 1. None: no limit.
  std::optional<std::uint64_t> max_failures{};
  /// Bytes of private memory that a worker process may add to what it inherits. This is RLIMIT_DATA, so it also counts
  /// mapped but untouched memory and threads' stacks; it does not count results. Beyond it operator new throws
  /// std::bad_alloc: the task fails as out_of_memory, and the next task gets a fresh worker. multi only.
  std::optional<std::uint64_t> memory_limit{};
  /// The progress display.
  parmap::reporter reporter{};
  /// How often a failed task is tried again.
  unsigned retries{};
  /// The seed of context::rng(). None: a fresh seed, which results::seed() returns.
  std::optional<std::uint64_t> seed{};
  /// Begin no new task once a stop is requested.
  std::stop_token stop{};
  /// The time limit of one task, counted from its own start. multi kills the task; threads requests it to stop (f must
  /// take context&); async cancels it.
  std::optional<std::chrono::nanoseconds> timeout{};
  /// Upper bound of the number of workers, which never exceeds the number of tasks. 0: the usable cores (CPU affinity
  /// and cgroup quota, read once per process); 1 inside a worker process.
  unsigned workers{};
};

namespace detail {

// Throws std::invalid_argument for values that no engine accepts.
PARMAP_API void check_values(const options& chosen);

// Throws the std::invalid_argument of an engine that does not support an option.
[[noreturn]] PARMAP_API void refuse(std::string_view engine, std::string_view option, std::string_view remedy);

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/options.inl.hpp>
#endif
