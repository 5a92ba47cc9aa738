// SPDX-License-Identifier: MIT
// engine: the contract of an engine, which runs the tasks of a map.
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

/// What map accepts as an engine: a cheap constant object with a name and one template member, run(tasks, options) ->
/// results<T>. Users pass one of the engines of parmap:
///
///     template <parmap::engine Engine>
///     auto measure(const Engine& who) { return parmap::map(who, f, x).value(); }
///
/// The contract of an engine:
/// - It begins every task at most 1 + options::retries times. Every task ends with a value in its slot or with a
///   failure. run returns when all tasks have ended and the map has left nothing behind.
/// - It throws std::invalid_argument, before any task begins, for each option that it does not support. It ignores none
///   silently. (Only serial accepts all options, and reports those that it does not enforce.)
/// - map sets options::seed before it calls run. The numbers of context::rng() depend only on this seed and the index
///   of the task.
/// - An engine whose tasks run in other processes also has run_into(first, tasks, options) -> results<void>, which
///   moves the value of task i to first[i]: see map_into.
/// - Several threads may call run at once, and tasks of any engine may call it.
///
/// CONTRIBUTING.md lists the steps to add an engine.
template <class E>
concept engine = requires(const E& who, const detail::sample_tasks& tasks, const options& chosen) {
  { who.name() } -> std::convertible_to<std::string_view>;
  { who.run(tasks, chosen) } -> std::same_as<results<int>>;
};

namespace detail {

// Calls the engine's own run_into if it has one; else runs tasks that write into the range.
template <class Engine, class First, class Tasks>
results<void> run_into(const Engine& who, First first, const Tasks& tasks, const options& chosen) {
  if constexpr (requires { who.run_into(first, tasks, chosen); }) return who.run_into(std::move(first), tasks, chosen);
  else return who.run(tasks_into_range<Tasks, First>(std::move(first), tasks), chosen);
}

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI
