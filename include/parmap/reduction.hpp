// SPDX-License-Identifier: MIT
// reduction: what map_reduce and fold return, one value for all tasks, and the failures.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstdint>
#include <iosfwd>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// How many consecutive tasks map_reduce folds from left to right before it combines the blocks in a binary tree.
inline constexpr std::uint64_t reduction_block = 512;

/// How many consecutive tasks share one accumulator in a fold of this many tasks: a number from 1 to reduction_block
/// that depends on nothing else. Up to 2047 tasks each task has its own, so that long tasks keep all workers busy.
/// O(1).
[[nodiscard]] constexpr std::uint64_t fold_block(std::uint64_t tasks) noexcept {
  return std::clamp<std::uint64_t>(tasks / 1024, 1, reduction_block);
}

/// What map_reduce and fold return: the combined value of all tasks, and the failures. A value type if T is one.
/// Several threads may read it at once.
///
///     auto r = parmap::map_reduce(f, std::plus{}, 0.0, xs);
///     double sum = r.value();               // throws map_failed if a task failed
///     double most_of_it = r.partial();      // without the tasks that failed
///     for (const parmap::failure& why : r.failures()) std::cerr << why << '\n';
template <class T>
class [[nodiscard]] reduction : public detail::results_base {
 public:
  using value_type = T;

  /// For engines: the value without the tasks that failed.
  reduction(T value, std::uint64_t size, failure_list failures, std::uint64_t seed)
      : results_base(size, std::move(failures), seed),
        value_(std::move(value)) {}

  /// The combined value of all tasks. Throws map_failed, with every failure, if any task failed. O(1); it copies the
  /// value, and moves it out of a temporary.
  [[nodiscard]] const T& value() const& {
    require_ok();
    return value_;
  }
  [[nodiscard]] T value() && {
    require_ok();
    return std::move(value_);
  }
  /// The combined value of the tasks that did not fail: as if the others were not there. If no task succeeded, it is
  /// the initial value. O(1).
  [[nodiscard]] const T& partial() const& noexcept { return value_; }
  [[nodiscard]] T partial() && { return std::move(value_); }

 private:
  T value_;
};

template <class T>
std::ostream& operator<<(std::ostream& to, const reduction<T>& all) = delete;  // print all.value()

}  // namespace parmap::inline PARMAP_ABI
