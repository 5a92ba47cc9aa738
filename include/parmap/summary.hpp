// SPDX-License-Identifier: MIT
// map_summary: what happened in a map, in a few numbers, and its failures grouped by cause.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI {

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
  /// reporter.
  std::chrono::nanoseconds elapsed{};
  std::vector<failure_cause> causes{};  ///< the failures: the cause of most of them first

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

/// "200 tasks in 2.0 s: 197 ok, 3 failed", and below that a line for each of the five most frequent causes.
[[nodiscard]] PARMAP_API std::string to_string(const map_summary& all);
PARMAP_API std::ostream& operator<<(std::ostream& out, const map_summary& all);

}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/summary.inl.hpp>
#endif
