// SPDX-License-Identifier: MIT
// map_summary: what happened in a map, in a few numbers, and its failures grouped by cause.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI {

/// One of the slowest tasks of a map; see options::times.
struct task_time {
  std::uint64_t index{};            ///< of the task
  unsigned attempt{};               ///< its slowest attempt; the first is 1
  std::chrono::nanoseconds took{};  ///< the time of that attempt
  std::string inputs{};             ///< as failure::inputs
};

namespace detail {

// What a map measures with options::times.
struct map_times {
  std::chrono::nanoseconds elapsed{};  // wall time
  std::chrono::nanoseconds busy{};     // of all attempts together
  unsigned workers{};                  // the most there were
  std::vector<task_time> slowest{};    // the slowest first
};

}  // namespace detail

/// What happened in a map. results::summary() makes it. A regular value type.
///
///     std::cerr << all.summary() << '\n';
///
///     10000 tasks in 2.0 s: 7000 ok, 3000 failed
///       2999 x threw: std::runtime_error: no convergence; first task 7 (0.5, 2)
///       task 12 (0.75, 1) timed out: ran longer than 5 s
struct map_summary {
  std::uint64_t tasks{};      ///< the number of tasks
  std::uint64_t completed{};  ///< tasks that have a value
  /// The wall time of the map. 0 if it was not measured: under threads and serial, of at most 1000 tasks without a
  /// reporter and without options::times.
  std::chrono::nanoseconds elapsed{};
  std::vector<failure_cause> causes{};  ///< the failures: the cause of most of them first
  /// With options::times: the share of the workers' time in which they ran tasks, from 0 to 1. Under async the workers
  /// are coroutines, and waiting counts as running.
  std::optional<double> busy{};
  /// With options::times: the five slowest tasks, failed ones included, the slowest first. A task counts with its
  /// slowest attempt.
  std::vector<task_time> slowest{};
  /// With options::part: the number of tasks that are in other parts. They are not among `tasks`.
  std::uint64_t elsewhere{};

  /// The number of tasks that failed, those that were stopped included. O(1).
  [[nodiscard]] std::uint64_t failed() const noexcept { return tasks - completed; }
  /// The number of tasks whose failure is of this kind. O(causes).
  [[nodiscard]] std::uint64_t count(failure_kind kind) const noexcept {
    std::uint64_t all = 0;
    for (const failure_cause& each : causes)
      if (each.first.kind == kind) all += each.count;
    return all;
  }
};

/// "200 tasks in 2.0 s: 197 ok, 3 failed", of a part with "; 3000 tasks are in other parts" behind it; and below that a
/// line for each of the five most frequent causes; with options::times also "workers busy 93 % of the time" and
/// "slowest: task 7 (0.5, 2) in 1.2 s, task 3 (0.1, 2) in 1.1 s".
[[nodiscard]] PARMAP_API std::string to_string(const map_summary& all);
PARMAP_API std::ostream& operator<<(std::ostream& out, const map_summary& all);

}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/summary.inl.hpp>
#endif
