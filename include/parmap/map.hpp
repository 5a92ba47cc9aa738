// SPDX-License-Identifier: MIT
// map: calls a function on every element, or every combination of elements, of its axes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_columns.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/summary_times.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/space/refused_calls.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/detail/stores/interrupt_scope.hpp>
#include <parmap/detail/stores/part_options.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/traces/map_watch.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/product.hpp>
#include <parmap/results.hpp>
#include <parmap/store.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

template <class T>
concept not_options = !std::same_as<std::remove_cvref_t<T>, options>;
template <class T>
concept not_engine = !engine<std::remove_cvref_t<T>>;

// The number of map's arguments that are axes: all except an engine in front, f, and options at the end.
template <class First = void, class... More>
consteval std::size_t axes_in() {
  std::size_t others = engine<std::remove_cvref_t<First>> ? 2 : 1;
  ((others += std::same_as<std::remove_cvref_t<More>, options> ? 1 : 0), ...);
  return sizeof...(More) + 1 < others ? 0 : sizeof...(More) + 1 - others;
}

// What is wrong with the order of map's arguments, or with what stands as an axis.
enum class disorder { none, engine_is_late, engine_is_text, function_is_late, no_range };

template <class F, class... Axes>
consteval disorder disorder_of() {
  if ((engine<std::remove_cvref_t<Axes>> || ...)) return disorder::engine_is_late;
  if (std::convertible_to<F, std::string_view>) return disorder::engine_is_text;
  if (((std::ranges::range<Axes> || is_space<std::remove_cvref_t<Axes>>) && ...)) return disorder::none;
  return std::ranges::range<F> ? disorder::function_is_late : disorder::no_range;
}

template <disorder Wrong>
void say_disorder() {
  static_assert(Wrong != disorder::engine_is_late,
                "parmap: the engine comes first: parmap::map(parmap::threads, f, xs)");
  static_assert(Wrong != disorder::engine_is_text,
                "parmap: an engine is an object, and comes first: parmap::map(parmap::threads, f, xs); by its name: "
                "parmap::engine_named(\"threads\")");
  static_assert(Wrong != disorder::function_is_late, "parmap: the function comes before its axes: parmap::map(f, xs)");
  static_assert(Wrong != disorder::no_range,
                "parmap: every argument after f must be a range (an axis), or parmap::options at the end; fix a single "
                "value by parmap::fargs(f, value)");
}

// The compiler's message names this type, and so shows the call that was tried.
template <class F, class... Elements>
struct call_of_f {
  static constexpr bool with_context_last = std::invocable<F&, Elements..., context&>;
  static constexpr bool callable = std::invocable<F&, Elements...> || std::invocable<F&, context&, Elements...>;
  static_assert(!with_context_last, "parmap: parmap::context& must be the first parameter of f");
  static_assert(callable || with_context_last,
                "parmap::map: f cannot be called with the axes' elements, with or without a parmap::context& first; "
                "call_of_f<f, elements...> above or below shows the call that was tried");
  static constexpr bool tried = true;
};
template <class F, class Elements>
inline constexpr bool check_call = true;
template <class F, class... Elements>
inline constexpr bool check_call<F, list<Elements...>> = call_of_f<F, Elements...>::tried;

// True for an engine that awaits what f returns. An engine declares it by a member of this name.
template <class Engine>
inline constexpr bool runs_coroutines = requires { requires Engine::runs_coroutines; };

// True for an engine that takes the wall time of a map itself, as two looks at the clock are felt there.
template <class Engine>
inline constexpr bool notes_elapsed = requires { requires Engine::notes_elapsed; };

// True for an engine whose maps several processes call together, so that it does by itself what is done once for all of
// them: it draws the seed, and does what options::store, options::times and options::trace ask for.
template <class Engine>
inline constexpr bool is_collective = requires { requires Engine::is_collective; };

// The failures with their inputs. Under multi a child reads the inputs.
template <class Engine, class Tasks>
failure_list inputs_read_for(const Engine& who, const Tasks& tasks, failure_list failures) {
  if constexpr (has_multi)
    if (who.name() == multi.name()) return with_inputs_by_child(tasks, std::move(failures));
  return with_inputs(tasks, std::move(failures));
}

// The results, with what was measured.
template <class Results, class Engine, class Tasks>
Results with_times(Results made, const Engine& who, const Tasks& tasks, const map_watch& kept) {
  map_times times = kept.times();
  take_inputs(times, inputs_read_for(who, tasks, as_failures(times)));
  made.note_times(std::move(times));
  return made;
}

// Tells the results the named axes.
template <class Results, class Space>
void note_names(Results& made, const Space& space) {
  if constexpr (has_names<Space> && requires { made.note_inputs(columns_of(space)); })
    made.note_inputs(columns_of(space));
}

// Sets the inputs of failures that were stored.
template <class Results, class Engine, class Tasks>
void describe_stored(Results& made, const Engine& who, const Tasks& tasks) {
  if (made.stored() == 0 || made.ok()) return;
  failure_list all = made.failures();
  made.note_described(inputs_read_for(who, tasks, std::move(all)));
}

// The engine for maps with options that few have, so that others do not pay for them, and it is compiled twice only.
template <class Run, class Engine, class Tasks>
[[gnu::noinline]] auto run_apart(const Run& run, const Engine& who, const Tasks& tasks, const options& chosen) {
  return run(who, tasks, chosen);
}

// `status`: a path of a status file, or empty.
template <class Run, class Engine, class Tasks>
[[gnu::noinline, gnu::cold]] auto run_watched(const Run& run, const Engine& who, const Tasks& tasks,
                                              const options& chosen, const std::string& status = {}) {
  map_watch watch(chosen, who.name(), tasks, status);
  auto made = run_apart(run, who, tasks.observed_by(watch.observer()), chosen);
  watch.finish();
  if (chosen.times) made = with_times(std::move(made), who, tasks, watch);
  note_names(made, tasks.space());
  return made;
}

// Runs the tasks that have no stored outcome.
template <class Run, class Engine, class F, class Space>
[[gnu::noinline, gnu::cold]] auto run_with_store(const Run& run, const Engine& who, F& f, const Space& space,
                                                 const options& chosen) {
  const ticks begun = now_ticks();
  const std::string status = chosen.store->status_path(chosen.part);
  const auto run_rest = [&](const auto& tasks, const options& of_run) {
    return run_watched(run, who, tasks, of_run, status);
  };
  const bool sees_stops = callable<F, Space>::how::with_context && runs_here(who.name());
  auto made = run_stored_map(run_rest, f, space, chosen, sees_stops);
  made.note_elapsed(now_ticks() - begun);
  describe_stored(made, who, numbered_tasks<F, Space>(f, space));
  note_names(made, space);
  return made;
}

// Runs the tasks of one part.
template <class Run, class Engine, class F, class Space>
[[gnu::noinline, gnu::cold]] auto run_part(const Run& run, const Engine& who, F& f, const Space& space,
                                           const options& chosen) {
  const auto here = part_of_tasks(space.size(), chosen.part);
  const options of_part = options_of_part(chosen, *here);
  const auto tasks = numbered_tasks<F, Space>(f, space).renumbered_by(*here);
  const ticks begun = now_ticks();
  auto made = of_part.times ? run_watched(run, who, tasks, of_part) : run_apart(run, who, tasks, of_part);
  made.note_elapsed(now_ticks() - begun);
  note_names(made, space);
  made.note_part(here);
  return made;
}

// Checks f, its space and the options, then returns run(who, work, options) with the numbered tasks as work.
template <class Run, class Engine, class F, class Space>
auto map_space(const Run& run, const Engine& who, F& f, const Space& space, options&& chosen) {
  if constexpr (!callable<F, Space>::value) {
    static_assert(check_call<F, typename Space::elements>);
    return results<int_after_error<F>>(result_memory<int_after_error<F>>(), {}, 0);  // so that this is the only error
  } else if constexpr (coroutine<result_of<F, Space>> && !runs_coroutines<Engine>) {
    static_assert(runs_coroutines<Engine>,
                  "parmap::map: f is a coroutine, which this engine would create but never run; name the engine async: "
                  "#include <parmap/async.hpp>, parmap::map(parmap::async, f, ...)");
    return results<int_after_error<F>>(result_memory<int_after_error<F>>(), {}, 0);
  } else {
    prepare(chosen);
    check_is_no_stream(chosen);
    constexpr bool is_map = requires { requires Run::is_map; };
    constexpr bool has_parts = is_map && !is_collective<Engine>;
    if constexpr (!has_parts) {
      if constexpr (is_collective<Engine>)
        if (!chosen.part.is_whole()) refuse_part_of_ranks(who.name());
      check_is_whole(chosen, "this function");
    }
    const interrupt_scope interrupts(chosen);
    const bool has_store = chosen.store != nullptr;  // which may have the seed of an earlier run
    if constexpr (!is_collective<Engine>)
      if (!chosen.seed && !has_store) chosen.seed = unchosen_seed(chosen.part);
    const bool is_plain = !chosen.times && !has_store && (!has_parts || chosen.part.is_whole());
    const numbered_tasks<F, Space> tasks(f, space);
    // A plain map first, so that errors are those of a plain map.
    if constexpr (notes_elapsed<Engine> && !has_names<Space>) {
      if (is_plain) return run(who, tasks, std::as_const(chosen));
    } else if (is_collective<Engine> || is_plain) {
      const ticks begun = now_ticks();
      auto made = run(who, tasks, std::as_const(chosen));
      if constexpr (!notes_elapsed<Engine>) made.note_elapsed(now_ticks() - begun);
      note_names(made, space);
      return made;
    }
    if constexpr (!is_collective<Engine>)
      if (has_store) {
        if constexpr (is_map) return run_with_store(run, who, f, space, std::as_const(chosen));
        else return run.with_store(who, tasks, std::as_const(chosen));
      }
    if constexpr (has_parts)
      if (!chosen.part.is_whole()) return run_part(run, who, f, space, std::as_const(chosen));
    return run_watched(run, who, tasks, std::as_const(chosen));
  }
}

template <class Run, class Engine, class F, class... Axes>
auto map_axes_by(const Run& run, const Engine& who, F& f, options&& chosen, Axes&&... axes) {
  if constexpr (constexpr disorder wrong = disorder_of<F, Axes...>(); wrong != disorder::none) {
    say_disorder<wrong>();
    return results<int_after_error<F>>(result_memory<int_after_error<F>>(), {}, 0);  // so that this is the only error
  } else if constexpr (sizeof...(Axes) == 1) {
    return map_space(run, who, f, make_axis(std::forward<Axes>(axes)...), std::move(chosen));
  } else {
    return map_space(run, who, f, product(std::forward<Axes>(axes)...), std::move(chosen));
  }
}

// Calls the engine, for map itself.
struct run_by_engine {
  static constexpr bool is_map = true;

  template <class Engine, class Tasks>
  auto operator()(const Engine& it, const Tasks& tasks, const options& of_map) const {
    return it.run(tasks, of_map);
  }
};

template <class Engine, class F, class... Axes>
auto map_axes(const Engine& who, F& f, options&& chosen, Axes&&... axes) {
  return map_axes_by(run_by_engine(), who, f, std::move(chosen), std::forward<Axes>(axes)...);
}

template <class F, class... Axes>
auto map_default(F& f, options&& chosen, Axes&&... axes) {
  if constexpr (disorder_of<F, Axes...>() == disorder::none)
    static_assert(!returns_void<F, product_space<axis_of<Axes>...>>,
                  "parmap::map: f returns void, and the default engine multi runs it in worker processes, where its "
                  "writes would vanish; return "
                  "the value, or name an engine: parmap::map(parmap::threads, f, ...)");
  return map_axes_by(run_by_engine(), multi, f, std::move(chosen), std::forward<Axes>(axes)...);
}

}  // namespace detail

/// Calls f(x...) for every combination of the axes' elements, on all cores. Returns `results<T>`: a value or a failure
/// for each task, in input order. The last axis varies fastest. T is the return type of f without reference and const.
///
///     auto squares = parmap::map([](int x) { return x * x; }, xs);
///     auto grid    = parmap::map(parmap::threads, simulate, alphas, betas, {.workers = 4});
///
/// - The engine says where the tasks run: multi, threads, async, serial, or what engine_named returns. If you name
///   none, it is multi, and f must return a value.
/// - f is any callable. If its first parameter is a `parmap::context&`, map passes it the context of the task.
/// - One to four axes: finite ranges, or the result of product or zip. map refers to an lvalue and takes over a
///   temporary. It walks through a range without random access once, before any task begins.
/// - The options stand in braces at the end: see parmap::options.
///
/// A task that fails affects no other task. It fails if it throws; under multi also if it crashes, exits or runs past
/// options::timeout. results::failures() lists the failed tasks. Under serial the first exception leaves map instead.
///
/// map returns when every task has ended. The inputs and the captures of f must not change meanwhile. Any thread may
/// call map, several threads may call it at once, and a task may call it, too. The values take sizeof(T) bytes for each
/// task; the combinations are never stored.
///
/// Throws before any task begins:
/// - std::invalid_argument: the engine does not support an option, or an option's value is out of range;
/// - std::runtime_error: the file of options::trace cannot be made;
/// - std::length_error: there are 2^64 combinations or more;
/// - std::bad_alloc: the memory for the results is refused;
/// - std::system_error: the system refuses shared memory or every worker (multi);
/// - what an input range throws while map walks through it.
///
/// Throws later:
/// - what a reporter throws, after the workers have ended;
/// - std::bad_alloc: a failure cannot be recorded;
/// - std::runtime_error: no worker survives and no task has ended, a task wrote over the memory that it shares with the
///   caller, or the program closed a file descriptor of the map (multi).
template <engine Engine, class F, detail::not_options A>
auto map(const Engine& who, F&& f, A&& a, options chosen = {}) {
  return detail::map_axes(who, f, std::move(chosen), std::forward<A>(a));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B>
auto map(const Engine& who, F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::map_axes(who, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B, detail::not_options C>
auto map(const Engine& who, F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_axes(who, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
auto map(const Engine& who, F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_axes(who, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                          std::forward<D>(d));
}

/// The same on the default engine, multi. If f returns void, this is a compile error.
template <detail::not_engine F, detail::not_options A>
auto map(F&& f, A&& a, options chosen = {}) {
  return detail::map_default(f, std::move(chosen), std::forward<A>(a));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B>
auto map(F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::map_default(f, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B, detail::not_options C>
auto map(F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_default(f, std::move(chosen), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
auto map(F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_default(f, std::move(chosen), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                             std::forward<D>(d));
}

/// Five axes or more: a compile error that names the remedy.
template <class... Arguments>
  requires(detail::axes_in<Arguments...>() > 4)
void map(Arguments&&...) {
  static_assert(
      sizeof...(Arguments) == 0,
      "parmap::map takes one to four axes; put more into one: parmap::map(f, parmap::product(a, b, c, d, e))");
}

// ---- Calls that match nothing above; see refused_calls.hpp.

// clang-format off: the comment stands in the line that the compiler shows

template <class A> void map(detail::any_argument, A&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B> void map(detail::any_argument, A&&, B&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C> void map(detail::any_argument, A&&, B&&, C&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C, class D> void map(detail::any_argument, A&&, B&&, C&&, D&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C, class D, class E> void map(detail::any_argument, A&&, B&&, C&&, D&&, E&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>

template <class T> void map(detail::any_argument, std::initializer_list<T>) = delete;  // braces have no type: write std::vector{1, 2, 3}
template <class F, class T> void map(detail::any_argument, F&&, std::initializer_list<T>) = delete;  // braces have no type: write std::vector{1, 2, 3}

template <class... Axes> void map(detail::overloaded_function, Axes&&...) = delete;  // several functions have that name: pass [](auto x) { return f(x); }
template <engine Engine, class... Axes> void map(const Engine&, detail::overloaded_function, Axes&&...) = delete;  // several functions have that name: pass [](auto x) { return f(x); }

template <class F> void map(F&&) = delete;  // at least one axis has to follow f: parmap::map(f, xs)

// clang-format on

}  // namespace parmap::inline PARMAP_ABI
