// SPDX-License-Identifier: MIT
// The contract of an engine: who runs the tasks of a map.
#pragma once

#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <concepts>
#include <string_view>
#include <type_traits>

namespace parmap {

namespace detail {
// A small map that every engine must be able to run.
using sample_work = numbered_tasks<int (*)(int), indexed_axis<const int*>>;
}  // namespace detail

/// An engine is a cheap constant object with a name and one template member, run(work, options) -> results<T>:
///
/// - Every task of `work` is begun at most 1 + options::retries times, and ends with a value in its slot or a failure;
/// run returns when all
///   have ended and nothing of the map is left behind.
/// - It throws std::invalid_argument, before anything starts, for each option it cannot honour: nothing is silently
/// ignored.
/// - options::seed is set when run is called; each task gets context::rng() from it and its index alone.
/// - An engine whose tasks do not run in this process has run_into(first, work, options) -> results<void>, too, which
/// moves the value of task i to first[i], see map_into.
/// - run may be called from many threads at once and from inside a task of any engine.
///
/// To add one: its header beside this one, a static_assert of this concept in it, a line in tests/engines.hpp, a row in
/// the table of engines.
template <class E>
concept engine = requires(const E& who, const detail::sample_work& work, const options& chosen) {
  { who.name() } -> std::convertible_to<std::string_view>;
  { who.run(work, chosen) } -> std::same_as<results<int>>;
};

}  // namespace parmap
