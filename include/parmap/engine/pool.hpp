// SPDX-License-Identifier: MIT
// The engine pool: worker processes that stay, for programs that call many small maps.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/pools/one_call.hpp>
#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_function_of.hpp>
#include <parmap/detail/pools/pool_map.hpp>
#include <parmap/detail/pools/pool_stream.hpp>
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/detail/pools/sent_inputs.hpp>
#include <parmap/detail/pools/sent_numbers.hpp>
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/detail/pools/submitted_tasks.hpp>
#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/space/refused_calls.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/detail/system/loaded_code.hpp>
#include <parmap/encoding.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/multi.hpp>
#include <parmap/future.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// The options of a pool, in alphabetical order.
struct pool_options {
  /// A worker process that has run this many tasks ends, and another one takes its place. 0: never.
  std::uint64_t max_tasks{};
  /// Bytes of private memory that a worker process may add to the memory that it inherits: see options::memory_limit.
  /// None: no limit.
  std::optional<std::uint64_t> memory_limit{};
  /// The seed of submitted tasks: the one with number k has the random numbers of task k in a map with this seed. None:
  /// a fresh one.
  std::optional<std::uint64_t> seed{};
  /// The time limit of each attempt of a task, for submitted tasks and for maps whose options have none. None: no
  /// limit.
  std::optional<std::chrono::nanoseconds> timeout{};
  /// The number of worker processes. 0: the number of usable cores.
  unsigned workers{};
};

namespace detail {
class pool_state {
 public:
  explicit pool_state(const pool_options& chosen)
      : options_(chosen),
        dispatcher_({.workers = chosen.workers, .memory_limit = chosen.memory_limit, .most_tasks = chosen.max_tasks}),
        submitted_(std::make_shared<submitted_tasks>(dispatcher_, chosen.seed ? *chosen.seed : fresh_seed(),
                                                     chosen.timeout)) {}

  [[nodiscard]] pool_dispatcher& dispatcher() noexcept { return dispatcher_; }
  [[nodiscard]] const std::shared_ptr<submitted_tasks>& submitted() const noexcept { return submitted_; }
  [[nodiscard]] const pool_options& chosen() const noexcept { return options_; }
  // Throws unless the workers have the code of f.
  template <class F>
  void check_code(const F& f) const {
    for_each_code_address(f, [this](const void* code) {
      if (!code_.contains(code))
        throw std::invalid_argument(
            "parmap: this function is in a library that was loaded (dlopen) after the pool was made, so the pool's "
            "workers do not have it; make the pool after the library is loaded");
    });
  }

 private:
  pool_options options_;
  loaded_code code_;  // before the fork
  pool_dispatcher dispatcher_;
  std::shared_ptr<submitted_tasks> submitted_;
};
}  // namespace detail

/// An engine whose worker processes stay: a map costs microseconds instead of a fork for each worker.
///
///     parmap::pool workers({.workers = 8});
///     for (int step = 0; step < 1000; ++step) walkers = parmap::map(workers, log_likelihood, walkers).value();
///
/// Tasks crash, hang and fail as under multi, at the same cost: to themselves. The workers are there before the map, so
/// f cannot bring its captures along. It is a function, a lambda or functor without captures and members, or fargs of
/// such; the fixed arguments and the elements of the axes are sent by codec<T>. Anything else is a compile error.
///
/// The constructor forks. A worker has the memory of the program at that moment: what a global variable held then, it
/// holds there. The pool needs two descriptors and a process beside its workers. Idle workers sleep.
///
/// Several threads may use one pool at once: their maps share its workers. The destructor kills what runs and waits
/// until all processes have ended; no map may run then.
class pool {
 public:
  /// Throws std::invalid_argument for a value out of range, and std::system_error if no worker can be started.
  explicit pool(const pool_options& chosen = {}) : state_(std::make_unique<detail::pool_state>(chosen)) {}

  /// For map_reduce: the caller reduces the values (detail/reduction/reduce_on.hpp).
  static constexpr bool reduces_in_caller = true;

  /// "pool".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "pool"; }
  /// The number of worker processes.
  [[nodiscard]] unsigned workers() const noexcept { return state_->dispatcher().workers(); }

  /// Sends f(x...) to a worker, and returns without waiting for it. f is what map takes, also with a parmap::context&
  /// first; the arguments are sent by codec<T>. Tasks begin in the order in which they were submitted. Their results
  /// wait in the memory of the pool: once a worker has sent 2 MiB that nobody has taken, it waits.
  ///
  ///     parmap::future<double> a = workers.submit(simulate, 0.1);
  template <class F, class... X>
  auto submit(F&& f, X&&... x) const {
    using space = detail::one_call<std::decay_t<X>...>;
    using function = std::decay_t<F>;
    if constexpr (!detail::callable<function, space>::value) {
      static_assert(detail::callable<function, space>::value,
                    "parmap: f cannot be called with these arguments, with or without a parmap::context& first");
      return future<detail::int_after_error<F>>();  // so that this is the only error
    } else {
      using tasks = detail::numbered_tasks<function, space>;
      using value = typename tasks::result;
      if constexpr (!can_run<tasks>()) {
        return future<detail::int_after_error<F>>();
      } else {
        function call(std::forward<F>(f));
        const space all(std::tuple<std::decay_t<X>...>(std::forward<X>(x)...));
        state_->check_code(call);
        auto task = std::make_shared<detail::submitted_task_of<value>>(
            &describe<space>, !(... && (std::is_arithmetic_v<std::decay_t<X>> || detail::is_string<std::decay_t<X>>)));
        const std::uint64_t number = state_->submitted()->add(
            task, keep_function(tasks(call, all)),
            [&all](detail::byte_writer& to, std::uint64_t at) {
              encoder out(to);
              detail::sent_inputs<space>::encode(out, all, at, at + 1);
            },
            detail::encodes_by_foreign_code<space>);
        return future<value>(state_->submitted(), std::move(task), number);
      }
    }
  }

  /// What map calls.
  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    using value = typename Tasks::result;
    if constexpr (!can_run<Tasks>()) return results<value>({}, {}, 0);  // so that this is the only error
    else return run_to(tasks, chosen, detail::own_places<value>(tasks.size()));
  }

  /// What map_into calls.
  template <class Tasks, class First>
  results<void> run_into(First first, const Tasks& tasks, const options& chosen) const {
    if constexpr (!can_run<Tasks>()) return results<void>(0, {}, 0);
    else return run_to(tasks, chosen, detail::range_places<First>(std::move(first), tasks.size()));
  }

  /// What stream calls. `size`: none if the number of tasks is unknown.
  template <class Tasks>
  auto open_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
                   detail::element_feed* /*feed*/) const {
    using value = typename Tasks::result;
    using source = std::unique_ptr<detail::outcome_source<value>>;
    if constexpr (!can_run<Tasks>()) {
      return source();  // so that this is the only error
    } else {
      detail::check_pool_options(chosen);
      state_->check_code(tasks.function());
      auto f = keep_function(tasks);
      return source(std::make_unique<detail::pool_stream<Tasks>>(state_->dispatcher(), tasks, chosen,
                                                                 state_->chosen().timeout, std::move(f), size));
    }
  }
  /// What stream calls: sets the inputs of a failure.
  template <class Tasks>
  static void describe_inputs(const Tasks& tasks, failure& why) {
    multi_engine::describe_inputs(tasks, why);
  }

 private:
  template <class Tasks>
  using function_of = std::decay_t<decltype(std::declval<const Tasks&>().function())>;

  template <class Space>
  static consteval bool can_send_axes() {
    if constexpr (detail::is_unbounded<Space>) return true;
    else return detail::check_sent_space<Space>();
  }
  template <class Space>
  static std::string describe(detail::byte_reader bytes) {
    decoder in(bytes);
    static_cast<void>(in.get<std::uint64_t>());
    const auto read = detail::sent_inputs<Space>::decode(in);
    detail::input_text text;
    read.show(0, text);
    return text.take();
  }
  template <class Tasks>
  static consteval bool can_run() {
    using value = typename Tasks::result;
    // One after the other, so that the first error is the only one.
    if constexpr (detail::check_sent_function<function_of<Tasks>>())
      if constexpr (can_send_axes<typename Tasks::space_type>()) {
        if constexpr (std::is_void_v<value>) return true;
        else return multi_engine::can_run<value>();
      }
    return false;
  }
  template <class Tasks>
  auto keep_function(const Tasks& tasks) const {
    return state_->dispatcher().keep_function(
        detail::bytes_of_function<function_of<Tasks>, typename Tasks::space_type>(tasks.function()));
  }
  template <class Tasks, class Places>
  auto run_to(const Tasks& tasks, const options& chosen, Places&& places) const {
    using value = typename Tasks::result;
    using space = typename Tasks::space_type;
    detail::check_pool_options(chosen);
    state_->check_code(tasks.function());
    detail::pool_dispatcher& by = state_->dispatcher();
    auto f = keep_function(tasks);
    const detail::sent_numbers numbers(tasks.renumbered());
    detail::kept_inputs inputs = by.keep_inputs(
        [&](detail::byte_writer& to) {
          encoder out(to);
          detail::sent_inputs<space>::encode(out, tasks.space(), 0, tasks.size());
          numbers.write(to);
        },
        detail::encodes_by_foreign_code<space>);
    detail::pool_map_of<value, std::remove_reference_t<Places>> map(
        by, chosen, state_->chosen().timeout, detail::observer_of(tasks), std::move(f), tasks.size(), places);
    return places.finish(detail::with_inputs_by_child(tasks, map.run(std::move(inputs))), *chosen.seed);
  }

  std::unique_ptr<detail::pool_state> state_;
};

static_assert(engine<pool>);

}  // namespace parmap::inline PARMAP_ABI
