// SPDX-License-Identifier: MIT
// reduce_on: runs a reduction on an engine.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/in_caller.hpp>
#include <parmap/detail/reduction/in_process.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/threads/serial_run.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/named.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/engine/threads.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/reduction.hpp>

#if PARMAP_LINUX
#include <parmap/detail/reduction/in_workers.hpp>
#endif

#include <concepts>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// An engine without accumulators, such as a pool: its map calls f, and op is called in the caller. It declares this by
// a member of this name.
template <class Engine>
concept reduces_in_caller = requires { requires Engine::reduces_in_caller; };

// The engines that have a reduce_on.
template <class Engine>
inline constexpr bool can_reduce = is_collective<Engine> || reduces_in_caller<Engine>;
template <>
inline constexpr bool can_reduce<serial_engine> = true;
template <>
inline constexpr bool can_reduce<threads_engine> = true;
template <>
inline constexpr bool can_reduce<multi_engine> = true;
template <>
inline constexpr bool can_reduce<named_engine> = true;

// A fold's tasks change one accumulator after the other, so that a task cannot be put off.
template <class Reducer>
void refuse_postponed_steps(const options& chosen, std::string_view engine) {
  if (!Reducer::makes_values && postpones_retries(chosen))
    refuse(engine, "retry_delay and retry_if in a fold",
           "because the tasks of a block change one accumulator in order; use retries alone, or map_reduce");
}

template <class Tasks, class Reducer>
reduction<typename Reducer::value> reduce_on(const serial_engine&, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  own_places<void> none(tasks.size());
  reduced_tasks<Tasks, Reducer> bound(tasks, reducer, chosen, 1, true);
  failure_list failures = run_serially(bound, none, tasks.size(), chosen);
  auto made = bound.finish(failures);
  reduction<typename Reducer::value> all(std::move(made), tasks.size(), std::move(failures), *chosen.seed);
  all.note_elapsed(none.elapsed());
  return all;
}

template <class Tasks, class Reducer>
reduction<typename Reducer::value> reduce_on(const threads_engine&, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  refuse_postponed_steps<Reducer>(chosen, threads_engine::name());
  own_places<void> none(tasks.size());
  reduced_tasks<Tasks, Reducer> bound(tasks, reducer, chosen, most_threads(tasks.size(), chosen), false);
  failure_list failures = run_on_threads(bound, none, tasks.size(), chosen);
  auto made = bound.finish(failures);
  reduction<typename Reducer::value> all(std::move(made), tasks.size(), with_inputs(tasks, std::move(failures)),
                                         *chosen.seed);
  all.note_elapsed(none.elapsed());
  return all;
}

template <class Tasks, class Reducer>
reduction<typename Reducer::value> reduce_on(const multi_engine&, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  if constexpr (!multi_engine::can_run<typename Reducer::value>()) {
    return {reducer.initial(), 0, {}, 0};  // so that this is the only error
  } else {
    refuse_postponed_steps<Reducer>(chosen, multi_engine::name());
    return reduce_in_workers(tasks, reducer, chosen);
  }
}

template <reduces_in_caller Engine, class Tasks, class Reducer>
reduction<typename Reducer::value> reduce_on(const Engine& who, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  static_assert(Reducer::makes_values,
                "parmap::fold: a pool has no fold, as its workers have no accumulators; use map_reduce, or multi");
  if constexpr (Reducer::makes_values) return reduce_values(who.run(tasks, chosen), reducer, chosen, false);
  else return {reducer.initial(), 0, {}, 0};
}

// Every rank has all values, and combines them by the same operations in the same order.
template <class Engine, class Tasks, class Reducer>
  requires is_collective<Engine>
reduction<typename Reducer::value> reduce_on(const Engine& who, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  return reduce_values(who.gathering_on_all().run(tasks, chosen), reducer, chosen, false);
}

template <class Tasks, class Reducer>
reduction<typename Reducer::value> reduce_on(const named_engine& who, const Tasks& tasks, const Reducer& reducer,
                                             const options& chosen) {
  return who.visit<typename Reducer::value>([&](const auto& it) { return reduce_on(it, tasks, reducer, chosen); });
}

}  // namespace parmap::inline PARMAP_ABI::detail
