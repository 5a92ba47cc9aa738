// SPDX-License-Identifier: MIT
// map_reduce and fold: combine the values of all tasks into one, in an order that does not depend on who ran them.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/in_caller.hpp>
#include <parmap/detail/reduction/reduce_on.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/reduction/stored_fold.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/refused_calls.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/product.hpp>
#include <parmap/reduction.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// Whether a value of From may change when it becomes a To. The standard also calls int to double narrowing, where
// nothing is lost.
template <class From, class To>
consteval bool narrows() {
  if constexpr (std::is_arithmetic_v<From> && std::is_arithmetic_v<To> && !std::same_as<From, To>) {
    using from = std::numeric_limits<From>;
    using to = std::numeric_limits<To>;
    if (std::is_floating_point_v<From> && !std::is_floating_point_v<To>) return true;
    if (std::is_floating_point_v<From>) return from::digits > to::digits || from::max_exponent > to::max_exponent;
    if (!std::is_floating_point_v<To> && from::is_signed && !to::is_signed) return true;
    return from::digits > to::digits;
  } else {
    return false;
  }
}

template <class Engine>
consteval bool check_reducing_engine() {
  static_assert(can_reduce<Engine>,
                "parmap: this engine has no map_reduce and no fold yet; use multi, threads or serial");
  return can_reduce<Engine>;
}

// Whether T can be an accumulator. If not, a static_assert names the reason.
template <class T>
consteval bool check_accumulator() {
  constexpr bool is_text = std::is_same_v<T, const char*> || std::is_same_v<T, char*>;
  static_assert(!is_text, "parmap: the initial value is a pointer to text; write std::string(\"\")");
  constexpr bool copies = std::copyable<T>;
  static_assert(is_text || copies, "parmap: the type of the initial value must be copyable");
  return !is_text && copies;
}

// Whether f's result R and what op returns are a T. If not, a static_assert names the reason; there is only one error.
template <class T, class R, class Op>
consteval bool check_values_of_reduction() {
  constexpr bool has_value = !std::is_void_v<R>;
  static_assert(has_value, "parmap::map_reduce: f returns void, so there is nothing to combine; see parmap::fold");
  constexpr bool converts = !has_value || std::is_convertible_v<R, T>;
  static_assert(converts, "parmap::map_reduce: f's result does not convert to the type of init");
  constexpr bool kept = !converts || !has_value || !narrows<R, T>();
  static_assert(kept,
                "parmap::map_reduce: f's result does not fit into the type of init, and would be narrowed; give init "
                "the type of the result, such as 0.0 instead of 0");
  if constexpr (has_value && converts && kept) {
    constexpr bool callable = std::invocable<Op&, const T&, T> && std::invocable<Op&, const T&, const T&>;
    static_assert(callable, "parmap::map_reduce: op cannot be called as op(const T&, const T&), where T is the type of "
                            "init");
    if constexpr (callable) {
      using combined = std::remove_cvref_t<std::invoke_result_t<Op&, const T&, const T&>>;
      constexpr bool returns_t = std::is_convertible_v<combined, T>;
      static_assert(returns_t, "parmap::map_reduce: op must return the type of init");
      constexpr bool fits = !returns_t || !narrows<combined, T>();
      static_assert(fits,
                    "parmap::map_reduce: what op returns does not fit into the type of init, and would be narrowed; "
                    "give init the type that op returns");
      return returns_t && fits;
    }
  }
  return false;
}

// A map with a store whose values are combined here, in the same tree as without.
template <class Engine, class F, class Space, class Reducer>
auto reduce_stored(const Engine& who, F& f, const Space& space, const Reducer& reducer, const options& chosen)
    -> reduction<typename Reducer::value> {
  if constexpr (!can_store_value<result_of<F, Space>>) refuse_store_for_values();
  else
    return reduce_values(run_with_store(run_by_engine(), who, f, space, chosen), reducer, chosen,
                         who.name() == serial.name());
}

// What map_axes_by runs for map_reduce.
template <class Op, class T>
struct run_map_reduce {
  Op& op;
  const T& init;

  template <class Engine, class Tasks>
  auto operator()(const Engine& who, const Tasks& tasks, const options& of_map) const {
    if constexpr (check_values_of_reduction<T, typename Tasks::result, Op>())
      return reduce_on(who, tasks, value_reducer<T, Op>(op, init), of_map);
    else return reduction<int_after_error<Tasks>>(0, 0, {}, 0);
  }
  template <class Engine, class Tasks>
  [[gnu::noinline, gnu::cold]] auto with_store(const Engine& who, const Tasks& tasks, const options& of_map) const
      -> std::invoke_result_t<const run_map_reduce&, const Engine&, const Tasks&, const options&> {
    if constexpr (std::is_same_v<decltype((*this)(who, tasks, of_map)), reduction<T>>)
      return reduce_stored(who, tasks.function(), tasks.space(), value_reducer<T, Op>(op, init), of_map);
    else return {0, 0, {}, 0};
  }
};

// And for fold.
template <class Step, class Merge, class T>
struct run_fold {
  Merge& merge;
  const T& identity;

  template <class Engine, class Tasks>
  auto operator()(const Engine& who, const Tasks& tasks, const options& of_map) const {
    return reduce_on(who, tasks, accumulator_reducer<T, Merge>(merge, identity), of_map);
  }
  template <class Engine, class Tasks>
  [[gnu::noinline, gnu::cold]] reduction<T> with_store(const Engine& who, const Tasks& tasks,
                                                       const options& of_map) const {
    if constexpr (reduces_in_caller<Engine>) return {identity, 0, {}, 0};  // so that reduce_on has the only error
    else
      return fold_with_store(who, tasks.function(), tasks.space(), accumulator_reducer<T, Merge>(merge, identity),
                             of_map);
  }
};

template <class Engine, class F, class Op, class T, class... Axes>
auto map_reduce_axes(const Engine& who, F& f, Op& op, const T& init, options&& chosen, Axes&&... axes) {
  if constexpr (!check_reducing_engine<Engine>() || !check_accumulator<T>()) {
    return reduction<int_after_error<F>>(0, 0, {}, 0);  // so that this is the only error
  } else {
    return map_axes_by(run_map_reduce<Op, T>{op, init}, who, f, std::move(chosen), std::forward<Axes>(axes)...);
  }
}

// Whether step and merge can be called. If not, a static_assert names the reason.
template <class T, class Step, class Merge, class Elements>
inline constexpr bool check_calls_of_fold = true;
template <class T, class Step, class Merge, class... Elements>
inline constexpr bool check_calls_of_fold<T, Step, Merge, list<Elements...>> = [] {
  constexpr bool steps = std::invocable<Step&, T&, Elements...> || std::invocable<Step&, context&, T&, Elements...>;
  static_assert(steps, "parmap::fold: step cannot be called as step(T&, elements...) or step(parmap::context&, T&, "
                       "elements...), where T is the type of identity");
  constexpr bool merges = std::invocable<Merge&, T&, const T&>;
  static_assert(!steps || merges,
                "parmap::fold: merge cannot be called as merge(T&, const T&), where T is the type of identity");
  return steps && merges;
}();

template <class Engine, class T, class Step, class Merge, class... Axes>
consteval bool check_fold() {
  static_assert(
      !is_collective<Engine>,
      "parmap::fold: parmap::mpi has no fold, as the accumulators would stay in the workers of each rank; use "
      "parmap::map_reduce(parmap::mpi, f, op, init, ...), where f returns what one task adds");
  if constexpr (is_collective<Engine> || !check_reducing_engine<Engine>() || !check_accumulator<T>()) return false;
  else return check_calls_of_fold<T, Step, Merge, typename product_space<axis_of<Axes>...>::elements>;
}

template <class Engine, class T, class Step, class Merge, class... Axes>
auto fold_axes(const Engine& who, const T& identity, Step& step, Merge& merge, options&& chosen, Axes&&... axes) {
  if constexpr (constexpr disorder wrong = disorder_of<Step, Axes...>(); wrong != disorder::none) {
    say_disorder<wrong>();
    return reduction<int_after_error<Step>>(0, 0, {}, 0);
  } else if constexpr (!check_fold<Engine, T, Step, Merge, Axes...>()) {
    return reduction<int_after_error<Step>>(0, 0, {}, 0);
  } else {
    bound_step<Step, T> f(step);
    return map_axes_by(run_fold<Step, Merge, T>{merge, identity}, who, f, std::move(chosen),
                       std::forward<Axes>(axes)...);
  }
}

}  // namespace detail

/// Calls f(x...) for every combination of the axes' elements, and combines the values by op into one. Returns
/// `reduction<T>`: the value, or what it is without the tasks that failed, and the failures. T is the type of init.
///
///     double sum       = parmap::map_reduce(f, std::plus{}, 0.0, xs).value();
///     std::string text = parmap::map_reduce(parmap::threads, render, std::plus{}, std::string(), pages).value();
///
/// - f: as in map. Its result must convert to T without narrowing.
/// - op(a, b) returns the combination of two values as a T. It must be associative, but need not be commutative: values
///   are combined in input order. It may be called in several threads at once (threads), or in a worker (multi).
/// - init enters once, at the left. It is the value of a reduction without tasks.
/// - Engine, axes and options: as in map. The engine async has no map_reduce yet. On parmap::mpi every rank has the
///   value; all values travel to every rank, which combines them, so the memory is O(n), and op runs in the calling
///   thread of each rank.
///
/// **The order.** The tasks are divided into blocks of reduction_block (512) consecutive tasks; the last one may be
/// shorter. Each block is folded from left to right: op(op(v0, v1), v2) and so on; block 0 begins with init. Then
/// neighbours are combined: blocks 0 and 1, 2 and 3 and so on, then the results in the same way, until one is left; a
/// last one without a neighbour goes on as it is. So up to 512 tasks the value is that of a plain loop, and beyond that
/// rounding may differ from a loop's. It is bitwise the same for any engine, any number of workers, and after deaths
/// and retries.
///
/// **Failures.** A failed task is left out as if it was not there. If op throws (under multi: or crashes), the failure
/// says "combining tasks 512..1023": if that was the value of a task, this task fails; if it was two parts, the right
/// one is left out, and the failure has the index of its first task. Under serial the first exception leaves
/// map_reduce. Under multi a task that has ended is never run again because its worker has died.
///
/// O(n) calls of f and op. A worker folds a block as it runs the tasks. Where a block is divided among workers, because
/// its tasks are long or few are left, values are kept until those before them are there. Memory: under serial and
/// threads a few values for each worker and each level of the tree; under multi two to three values for each block, and
/// those that are kept. Under multi each task writes its block's value to shared memory.
///
/// Throws what map throws; std::bad_alloc if there is no memory to combine values. op must not throw under
/// pthread_cancel.
template <engine Engine, class F, class Op, class T, detail::not_options A>
auto map_reduce(const Engine& who, F&& f, Op&& op, T init, A&& a, options chosen = {}) {
  return detail::map_reduce_axes(who, f, op, init, std::move(chosen), std::forward<A>(a));
}
template <engine Engine, class F, class Op, class T, detail::not_options A, detail::not_options B>
auto map_reduce(const Engine& who, F&& f, Op&& op, T init, A&& a, B&& b, options chosen = {}) {
  return detail::map_reduce_axes(who, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <engine Engine, class F, class Op, class T, detail::not_options A, detail::not_options B,
          detail::not_options C>
auto map_reduce(const Engine& who, F&& f, Op&& op, T init, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_reduce_axes(who, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                 std::forward<C>(c));
}
template <engine Engine, class F, class Op, class T, detail::not_options A, detail::not_options B,
          detail::not_options C, detail::not_options D>
auto map_reduce(const Engine& who, F&& f, Op&& op, T init, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_reduce_axes(who, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                 std::forward<C>(c), std::forward<D>(d));
}
/// The same on the default engine, multi.
template <detail::not_engine F, class Op, class T, detail::not_options A>
auto map_reduce(F&& f, Op&& op, T init, A&& a, options chosen = {}) {
  return detail::map_reduce_axes(multi, f, op, init, std::move(chosen), std::forward<A>(a));
}
template <detail::not_engine F, class Op, class T, detail::not_options A, detail::not_options B>
auto map_reduce(F&& f, Op&& op, T init, A&& a, B&& b, options chosen = {}) {
  return detail::map_reduce_axes(multi, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <detail::not_engine F, class Op, class T, detail::not_options A, detail::not_options B, detail::not_options C>
auto map_reduce(F&& f, Op&& op, T init, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_reduce_axes(multi, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                 std::forward<C>(c));
}
template <detail::not_engine F, class Op, class T, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
auto map_reduce(F&& f, Op&& op, T init, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_reduce_axes(multi, f, op, init, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                 std::forward<C>(c), std::forward<D>(d));
}

/// Folds every combination of the axes' elements into accumulators: step(accumulator, x...) changes one. Returns
/// `reduction<T>`, where T is the type of identity. For histograms, sets and other accumulators that are expensive to
/// make.
///
///     auto add   = [](histogram& h, double x) { h.add(sample(x)); };
///     auto merge = [](histogram& a, const histogram& b) { a += b; };
///     histogram all = parmap::fold(histogram{}, add, merge, xs).value();
///
/// - identity: what each accumulator begins as; merging it must change nothing.
/// - step(T&, x...) or step(parmap::context&, T&, x...); what it returns is ignored.
/// - merge(T& a, const T& b) adds b to a; b is of later tasks.
/// - Engine, axes and options: as in map. The engine async has no fold yet. options::retry_delay and retry_if throw
///   std::invalid_argument except under serial and with a store, as the tasks of a block change one accumulator in
///   order.
///
/// **The order.** Each block of fold_block(n) consecutive tasks has an accumulator, on which step is called in input
/// order: for up to 2047 tasks each task has its own, for 524288 or more the blocks have 512 tasks. The blocks are
/// merged in a binary tree, as in map_reduce. The result is bitwise the same for any engine, any number of workers, and
/// after deaths and retries. One worker at a time runs the tasks of a block.
///
/// **Failures.** A step that fails leaves no trace: the accumulator is as it was before. For this, serial and threads
/// copy the accumulator before each step, unless the step is noexcept; multi writes it to shared memory after each
/// step. So keep it small against the work of a step. All else is as in map_reduce.
///
/// **With options::store** the accumulator of a block is stored after each of its tasks, so T needs a codec. Beyond
/// 2047 tasks, fold_block(n) maps run one after the other, each of one task of every block: under serial not in input
/// order.
template <engine Engine, class T, class Step, class Merge, detail::not_options A>
auto fold(const Engine& who, T identity, Step&& step, Merge&& merge, A&& a, options chosen = {}) {
  return detail::fold_axes(who, identity, step, merge, std::move(chosen), std::forward<A>(a));
}
template <engine Engine, class T, class Step, class Merge, detail::not_options A, detail::not_options B>
auto fold(const Engine& who, T identity, Step&& step, Merge&& merge, A&& a, B&& b, options chosen = {}) {
  return detail::fold_axes(who, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <engine Engine, class T, class Step, class Merge, detail::not_options A, detail::not_options B,
          detail::not_options C>
auto fold(const Engine& who, T identity, Step&& step, Merge&& merge, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::fold_axes(who, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                           std::forward<C>(c));
}
template <engine Engine, class T, class Step, class Merge, detail::not_options A, detail::not_options B,
          detail::not_options C, detail::not_options D>
auto fold(const Engine& who, T identity, Step&& step, Merge&& merge, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::fold_axes(who, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                           std::forward<C>(c), std::forward<D>(d));
}
/// The same on the default engine, multi.
template <detail::not_engine T, class Step, class Merge, detail::not_options A>
auto fold(T identity, Step&& step, Merge&& merge, A&& a, options chosen = {}) {
  return detail::fold_axes(multi, identity, step, merge, std::move(chosen), std::forward<A>(a));
}
template <detail::not_engine T, class Step, class Merge, detail::not_options A, detail::not_options B>
auto fold(T identity, Step&& step, Merge&& merge, A&& a, B&& b, options chosen = {}) {
  return detail::fold_axes(multi, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <detail::not_engine T, class Step, class Merge, detail::not_options A, detail::not_options B,
          detail::not_options C>
auto fold(T identity, Step&& step, Merge&& merge, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::fold_axes(multi, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                           std::forward<C>(c));
}
template <detail::not_engine T, class Step, class Merge, detail::not_options A, detail::not_options B,
          detail::not_options C, detail::not_options D>
auto fold(T identity, Step&& step, Merge&& merge, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::fold_axes(multi, identity, step, merge, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                           std::forward<C>(c), std::forward<D>(d));
}

// ---- Calls that match nothing above; see refused_calls.hpp.

// clang-format off: the comment stands in the line that the compiler shows

template <class X, class Y, class A> void map_reduce(detail::any_argument, X&&, Y&&, A&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B> void map_reduce(detail::any_argument, X&&, Y&&, A&&, B&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C> void map_reduce(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C, class D> void map_reduce(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, D&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C, class D, class E> void map_reduce(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, D&&, E&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y> void map_reduce(X&&, Y&&) = delete;  // write map_reduce(f, op, init, xs), with at least one axis
template <class X, class Y, class Z> void map_reduce(X&&, Y&&, Z&&) = delete;  // write map_reduce(f, op, init, xs), with at least one axis
template <engine Engine, class X, class Y, class Z> void map_reduce(const Engine&, X&&, Y&&, Z&&) = delete;  // write map_reduce(f, op, init, xs), with at least one axis

template <class X, class Y, class A> void fold(detail::any_argument, X&&, Y&&, A&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B> void fold(detail::any_argument, X&&, Y&&, A&&, B&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C> void fold(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C, class D> void fold(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, D&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y, class A, class B, class C, class D, class E> void fold(detail::any_argument, X&&, Y&&, A&&, B&&, C&&, D&&, E&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class X, class Y> void fold(X&&, Y&&) = delete;  // write fold(identity, step, merge, xs), with at least one axis
template <class X, class Y, class Z> void fold(X&&, Y&&, Z&&) = delete;  // write fold(identity, step, merge, xs), with at least one axis
template <engine Engine, class X, class Y, class Z> void fold(const Engine&, X&&, Y&&, Z&&) = delete;  // write fold(identity, step, merge, xs), with at least one axis

// clang-format on

}  // namespace parmap::inline PARMAP_ABI
