// SPDX-License-Identifier: MIT
// What a caller may set for one map, and the checks that need no engine.
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
/// std::invalid_argument before anything starts; only serial accepts all, so that switching to it is a change of one
/// word.
///
/// The fields stand in alphabetical order, so that designated initialisers can be written without looking it up. That
/// order is a promise; a new field goes to its alphabetical place.
///
///     parmap::map(f, x, {.retries = 1, .timeout = 5s, .workers = 4});
struct options {
  /// Begin no new task once so many have failed; at least 1. None: no limit.
  std::optional<std::uint64_t> max_failures{};
  /// Bytes of private memory a worker process may add to what it inherits (RLIMIT_DATA: also what is mapped and not
  /// touched, and threads' stacks; not results). Beyond it operator new throws std::bad_alloc, which costs that task as
  /// out_of_memory; the next task gets a fresh worker. multi only.
  std::optional<std::uint64_t> memory_limit{};
  /// Who shows progress.
  parmap::reporter reporter{};
  /// How often a failed task is tried again.
  unsigned retries{};
  /// Of context::rng(). None: fresh entropy, told by results::seed().
  std::optional<std::uint64_t> seed{};
  /// Begin no new task once a stop is requested.
  std::stop_token stop{};
  /// A task's limit, counted from its own start. multi kills it; threads ask it to stop (f must take context&).
  std::optional<std::chrono::nanoseconds> timeout{};
  /// Upper bound of workers, never more than tasks; 0: the usable cores (CPU affinity and cgroup quota, read once a
  /// process), and one inside a worker process.
  unsigned workers{};
};

namespace detail {

// What no engine can do. Throws std::invalid_argument.
PARMAP_API void check_values(const options& chosen);

// Throws the std::invalid_argument of an engine that does not have an option.
[[noreturn]] PARMAP_API void refuse(std::string_view engine, std::string_view option, std::string_view remedy);

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/options.inl.hpp>
#endif
