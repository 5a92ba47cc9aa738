// SPDX-License-Identifier: MIT
// map_into: map that writes its results into a range of the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/space/refused_calls.hpp>
#include <parmap/detail/space/tasks_into_range.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <exception>
#include <iterator>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// A range to which tasks can write at the same time, each to its own element.
template <class Out>
concept element_range = std::ranges::random_access_range<Out> && std::ranges::sized_range<Out> &&
                        std::is_lvalue_reference_v<std::ranges::range_reference_t<Out>>;

// Whether a Value can be assigned to an element of Out. If not, a static_assert names the reason; there is only one
// error.
template <class Out, class Value>
consteval bool fits_into() {
  constexpr bool has_value = !std::is_void_v<Value>;
  static_assert(has_value, "parmap::map_into: f returns void, so there is nothing to put anywhere; call parmap::map");
  constexpr bool fits = std::is_assignable_v<std::ranges::range_reference_t<Out>, Value>;
  static_assert(!has_value || fits, "parmap::map_into: what f returns cannot be assigned to an element of the range");
  return fits;
}

// The values of a map, each assigned to its element; a task whose assignment throws has failed. `lets_out`: what it
// throws leaves the call.
template <class T, class First>
results<void> assign_values(results<T>&& all, First first, bool lets_out) {
  failure_runs refused;
  all.failures().for_each_gap(all.size(), [&](std::uint64_t b, std::uint64_t e) {
    for (std::uint64_t i = b; i < e; ++i) {
      try {
        first[static_cast<std::iter_difference_t<First>>(i)] = std::move(all.places()[i]);
      } catch (...) {
        if (lets_out) throw;
        thrown what = describe_or_give_up();
        refused.emplace_back(failure{i, what.kind, std::move(what.message), 1, std::current_exception()}, 1);
      }
    }
  });
  results<void> whole(all.size(), add_failures(all.failures(), std::move(refused)), all.seed());
  all.pass_notes(whole);
  return whole;
}

// What map_axes_by runs for map_into.
template <class Out>
struct run_into_range {
  Out& out;

  template <class Engine, class Tasks>
  results<void> operator()(const Engine& who, const Tasks& tasks, const options& of_map) const {
    if constexpr (fits_into<Out, typename Tasks::result>()) {
      check_room(tasks.size());
      return run_into(who, first_of(out), tasks, of_map);
    } else {
      return results<void>(0, {}, 0);
    }
  }
  // Here the values go into the range when all are there.
  template <class Engine, class Tasks>
  [[gnu::noinline, gnu::cold]] results<void> with_store(const Engine& who, const Tasks& tasks,
                                                        const options& of_map) const {
    using value = typename Tasks::result;
    if constexpr (std::is_assignable_v<std::ranges::range_reference_t<Out>, value> && !std::is_void_v<value>) {
      check_room(tasks.size());
      if constexpr (!can_store_value<value>) refuse_store_for_values();
      else
        return assign_values(run_with_store(run_by_engine(), who, tasks.function(), tasks.space(), of_map),
                             first_of(out), who.name() == serial.name());
    } else {
      return results<void>(0, {}, 0);
    }
  }

  void check_room(std::uint64_t tasks) const {
    const auto room = static_cast<std::uint64_t>(std::ranges::size(out));
    if (room < tasks)
      throw std::invalid_argument("parmap::map_into: the range has " + std::to_string(room) + " elements for " +
                                  std::to_string(tasks) + " tasks");
  }
};

template <class Engine, class Out, class F, class... Axes>
results<void> map_axes_into(const Engine& who, Out& out, F& f, options&& chosen, Axes&&... axes) {
  constexpr bool has_elements = element_range<Out>;
  static_assert(
      has_elements,
      "parmap::map_into: the first argument must be a random-access range of known size whose elements are objects, "
      "such as a vector, an array or a span (but not vector<bool>, or a view that computes its elements)");
  if constexpr (has_elements) {
    return map_axes_by(run_into_range<Out>{out}, who, f, std::move(chosen), std::forward<Axes>(axes)...);
  } else {
    return results<void>(0, {}, 0);
  }
}

}  // namespace detail

/// Like map, but assigns the result of task i to out[i]. Returns `results<void>`: the failures, without values. Tasks
/// are numbered in input order; with several axes the last one varies fastest.
///
///     std::vector<double> y(x.size());
///     parmap::map_into(parmap::threads, y, f, x).value();  // throws map_failed if any task failed
///
/// `out` is a random-access range of known size whose elements are objects, such as a vector, an array or a span, but
/// not a vector<bool>. If it has fewer elements than there are tasks, map_into throws std::invalid_argument before any
/// task begins. The element of a failed task has an unspecified value. If the assignment throws, its task fails.
///
/// Under serial and threads each task assigns its own element as it ends, and map_into allocates no memory for values.
/// There `out` may also be the axis, if it is the only axis. Under multi the calling thread copies or moves the values
/// into `out`. The engine async is a compile error. With options::store the calling thread assigns the values when all
/// are there, those of earlier runs, too, and the file is that of map: both may go on with it. All else is as in map.
template <engine Engine, class Out, class F, detail::not_options A>
results<void> map_into(const Engine& who, Out&& out, F&& f, A&& a, options chosen = {}) {
  return detail::map_axes_into(who, out, f, std::move(chosen), std::forward<A>(a));
}
template <engine Engine, class Out, class F, detail::not_options A, detail::not_options B>
results<void> map_into(const Engine& who, Out&& out, F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::map_axes_into(who, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <engine Engine, class Out, class F, detail::not_options A, detail::not_options B, detail::not_options C>
results<void> map_into(const Engine& who, Out&& out, F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_axes_into(who, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                               std::forward<C>(c));
}
template <engine Engine, class Out, class F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
results<void> map_into(const Engine& who, Out&& out, F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_axes_into(who, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                               std::forward<C>(c), std::forward<D>(d));
}

/// The same on the default engine, multi.
template <detail::not_engine Out, class F, detail::not_options A>
results<void> map_into(Out&& out, F&& f, A&& a, options chosen = {}) {
  return detail::map_axes_into(multi, out, f, std::move(chosen), std::forward<A>(a));
}
template <detail::not_engine Out, class F, detail::not_options A, detail::not_options B>
results<void> map_into(Out&& out, F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::map_axes_into(multi, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <detail::not_engine Out, class F, detail::not_options A, detail::not_options B, detail::not_options C>
results<void> map_into(Out&& out, F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::map_axes_into(multi, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                               std::forward<C>(c));
}
template <detail::not_engine Out, class F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
results<void> map_into(Out&& out, F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::map_axes_into(multi, out, f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                               std::forward<C>(c), std::forward<D>(d));
}

/// Five axes or more: a compile error that names the remedy.
template <class... Arguments>
  requires(detail::axes_in<Arguments...>() > 5)
void map_into(Arguments&&...) {
  static_assert(
      sizeof...(Arguments) == 0,
      "parmap::map_into takes one to four axes; put more into one: map_into(out, f, parmap::product(a, b, c, d, e))");
}

// ---- Calls that match nothing above; see refused_calls.hpp.

// clang-format off: the comment stands in the line that the compiler shows

template <class A, class B> void map_into(detail::any_argument, A&&, B&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C> void map_into(detail::any_argument, A&&, B&&, C&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C, class D> void map_into(detail::any_argument, A&&, B&&, C&&, D&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C, class D, class E> void map_into(detail::any_argument, A&&, B&&, C&&, D&&, E&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C, class D, class E, class F> void map_into(detail::any_argument, A&&, B&&, C&&, D&&, E&&, F&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>

// clang-format on

}  // namespace parmap::inline PARMAP_ABI
