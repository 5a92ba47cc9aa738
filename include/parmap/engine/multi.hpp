// SPDX-License-Identifier: MIT
// The engine multi: runs tasks in forked worker processes, so that no task can end the map.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/obstacle.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>
#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// The default engine: runs the tasks in worker processes, so that no task can end the program. A task may throw,
/// crash, exit, overflow its stack, be killed or run past options::timeout. Only that task fails: multi replaces a dead
/// worker, the failure names the task and the cause, and all other results come back.
///
///     auto flows = parmap::map(simulate, meshes, {.timeout = 60s});
///     for (const parmap::failure& why : flows.failures()) std::cerr << why << '\n';
///
/// Each map forks its workers anew. They inherit f, its captures and all inputs, so nothing is serialised on the way
/// in. The result type must be able to leave a worker (can_leave_worker). A worker writes trivially copyable types, and
/// pairs, tuples and arrays of them, straight into shared memory. It encodes other types by codec<T>, and aggregates
/// field by field.
///
/// All else that a task writes to memory is lost with its worker; its files persist. The threads of the caller do not
/// exist in a worker: f must not wait for them, nor for a lock that they may hold. At a timeout multi kills every
/// process that the task has started, too; after other deaths such processes may live on.
class multi_engine {
 public:
  /// "multi".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "multi"; }

  /// What map calls.
  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    using value = typename Tasks::result;
    if constexpr (!can_run<value>()) {
      return results<value>({}, {}, 0);  // so that this is the only error
    } else if constexpr (std::is_void_v<value>) {
      return {tasks.size(), detail::with_inputs_by_child(tasks, run_in_slots(tasks, chosen).failures), *chosen.seed};
    } else if constexpr (detail::in_slot<value>) {
      detail::multi_results all = run_in_slots(tasks, chosen);
      return {detail::result_memory<value>(std::move(all.slots), tasks.size()),
              detail::with_inputs_by_child(tasks, std::move(all.failures)), *chosen.seed};
    } else {
      return run_encoded(tasks, chosen, detail::own_places<value>(tasks.size()));
    }
  }

  /// What map_into calls: copies or moves the value of task i to first[i], once it is in the caller. `First` is a
  /// random-access iterator.
  template <class Tasks, class First>
  results<void> run_into(First first, const Tasks& tasks, const options& chosen) const {
    using value = typename Tasks::result;
    if constexpr (!can_run<value>()) {
      return results<void>(0, {}, 0);
    } else if constexpr (!detail::in_slot<value>) {
      return run_encoded(tasks, chosen, detail::range_places<First>(std::move(first), tasks.size()));
    } else {
      detail::range_places<First> places(std::move(first), tasks.size());
      detail::multi_results all = run_in_slots(tasks, chosen);
      auto* const values = static_cast<value*>(all.slots.data());
      detail::failure_runs refused;
      const auto put = [&](std::uint64_t i) {
        try {
          places.put(i, [&]() -> value& { return values[i]; });
        } catch (...) {
          detail::thrown what = detail::describe_or_give_up();
          refused.emplace_back(failure{i, what.kind, std::move(what.message), 1, std::current_exception()}, 1);
        }
      };
      all.failures.for_each_gap(tasks.size(), [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t i = b; i < e; ++i) put(i);
      });
      return places.finish(
          detail::with_inputs_by_child(tasks, detail::add_failures(std::move(all.failures), std::move(refused))),
          *chosen.seed);
    }
  }

  /// What stream calls. `size`: none if the number of tasks is unknown.
  template <class Tasks>
  auto open_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
                   detail::element_feed* feed) const {
    using value = typename Tasks::result;
    constexpr bool sends = detail::can_send_elements<Tasks>();
    static_assert(
        sends, "parmap::stream: the first axis is endless, or can be read once only, so its elements are sent to the "
               "worker processes, and this element type has no codec; specialise parmap::codec for it, let the axis "
               "have elements of a type that can leave a worker, or use parmap::threads");
    if constexpr (!sends) return std::unique_ptr<detail::outcome_source<value>>();  // so that this is the only error
    else if constexpr (std::is_void_v<value> || can_run<value>())
      return std::make_unique<detail::multi_stream<Tasks>>(tasks, chosen, size, feed);
    else return std::unique_ptr<detail::outcome_source<value>>();
  }
  /// What stream calls: sets the inputs of a failure.
  template <class Tasks>
  static void describe_inputs(const Tasks& tasks, failure& why) {
    detail::failure_runs one;
    one.emplace_back(why, 1);
    const failure_list described = detail::with_inputs_by_child(tasks, failure_list(std::move(one)));
    why.inputs = described.front().inputs;
  }

  /// Whether a Value can leave a worker. If not, a static_assert names the obstacle, and the type Found shows where it
  /// is.
  template <class Value, class Found = decltype(detail::find_obstacle<Value>())>
  static consteval bool can_run() {
    using detail::obstacle;
    constexpr obstacle found = Found::what;
    static_assert(found != obstacle::refers,
                  "parmap: a pointer, reference_wrapper, string_view or span (an iterator, a view, a "
                  "thread::id, or a container of such) cannot leave a worker process, because what it refers "
                  "to stays there; return the value itself (std::string, std::vector), or use parmap::threads");
    static_assert(found != obstacle::no_codec,
                  "parmap: this result type cannot leave a worker process: it is not trivially copyable, is "
                  "not a struct whose fields can all leave, and has no codec; specialise parmap::codec for "
                  "it, return something that has one, or use parmap::threads");
    static_assert(found != obstacle::field_refers,
                  "parmap: a field of this struct is a pointer, a reference or a view (string_view, span, "
                  "iterator), and what it refers to stays in the worker process; let the struct hold the "
                  "value itself (std::string, std::vector), specialise parmap::codec for it, or use "
                  "parmap::threads");
    static_assert(found != obstacle::field_has_no_codec,
                  "parmap: a field of this struct cannot leave a worker process: it is not trivially "
                  "copyable, is not a struct whose fields can all leave, and has no codec; specialise "
                  "parmap::codec for the field or for the struct, or use parmap::threads");
    static_assert(found != obstacle::field_is_array,
                  "parmap: a struct with an array as a field cannot leave a worker process by its fields; "
                  "make it a std::array, specialise parmap::codec for the struct, or use parmap::threads");
    static_assert(found != obstacle::too_many_fields,
                  "parmap: a struct of more than 16 fields cannot leave a worker process by its fields; put "
                  "some into a struct of their own, specialise parmap::codec for it, or use parmap::threads");
    static_assert(found != obstacle::base,
                  "parmap: a struct with a base class cannot leave a worker process by its fields; make the "
                  "base a field, specialise parmap::codec for the struct, or use parmap::threads");
    static_assert(found != obstacle::own_destructor,
                  "parmap: a struct with a destructor, copy or move of its own cannot leave a worker "
                  "process by its fields, because what they do (such as to close a file) would be done "
                  "twice; return the data that the struct stands for, specialise parmap::codec for it, or "
                  "use parmap::threads");
    static_assert(found != obstacle::not_divisible,
                  "parmap: the fields of this struct cannot be found (it has a union, or an array beside a "
                  "field without a default); specialise parmap::codec for it, return a std::tuple, or use "
                  "parmap::threads");
    return found == obstacle::none;
  }

 private:
  template <class Tasks>
  static detail::multi_results run_in_slots(const Tasks& tasks, const options& chosen) {
    return detail::run_in_processes(detail::process_tasks_of<Tasks>(tasks), nullptr, chosen);
  }
  template <class Tasks, class Places>
  static auto run_encoded(const Tasks& tasks, const options& chosen, Places&& places) {
    detail::value_reader_of<typename Tasks::result, Places> reader(places);
    auto all = detail::run_in_processes(detail::process_tasks_of<Tasks>(tasks), &reader, chosen);
    return places.finish(detail::with_inputs_by_child(tasks, std::move(all.failures)), *chosen.seed);
  }
};

/// The engine to name in a call: `parmap::map(parmap::multi, f, x)`. See multi_engine.
inline constexpr multi_engine multi{};

static_assert(engine<multi_engine>);

}  // namespace parmap::inline PARMAP_ABI
