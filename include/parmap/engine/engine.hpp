// SPDX-License-Identifier: MIT
// The contract of an engine: who runs the tasks of a map.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/space/tasks_into_range.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <concepts>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {
// A small map that every engine must be able to run.
using sample_tasks = numbered_tasks<int (*)(int), indexed_axis<const int*>>;
}  // namespace detail

/// An engine is a cheap constant object with a name and one template member, run(tasks, options) -> results<T>:
///
/// - Every one of `tasks` is begun at most 1 + options::retries times, and ends with a value in its slot or a failure;
///   run returns when all have ended and nothing of the map is left behind.
/// - It throws std::invalid_argument, before anything starts, for each option it cannot honour: nothing is silently
///   ignored. (Only serial accepts all, so that switching to it is a change of one word, and says what it does not
///   enforce.)
/// - options::seed is set when run is called; each task gets context::rng() from it and its index alone.
/// - An engine whose tasks do not run in this process has run_into(first, tasks, options) -> results<void>, too, which
///   moves the value of task i to first[i], see map_into.
/// - run may be called from many threads at once and from inside a task of any engine.
///
/// To add one: its header beside this one, a static_assert of this concept in it, a line in tests/engines.hpp, a row in
/// the table of engines.
template <class E>
concept engine = requires(const E& who, const detail::sample_tasks& tasks, const options& chosen) {
  { who.name() } -> std::convertible_to<std::string_view>;
  { who.run(tasks, chosen) } -> std::same_as<results<int>>;
};

namespace detail {

// The engine's own way, if it has one.
template <class Engine, class First, class Tasks>
results<void> run_into(const Engine& who, First first, const Tasks& tasks, const options& chosen) {
  if constexpr (requires { who.run_into(first, tasks, chosen); }) return who.run_into(std::move(first), tasks, chosen);
  else return who.run(tasks_into_range<Tasks, First>(std::move(first), tasks), chosen);
}

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI
