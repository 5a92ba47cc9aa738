// SPDX-License-Identifier: MIT
// The engine async: runs thousands of waiting tasks on one thread. Needs standalone Asio 1.22 or later.
#pragma once

#include <parmap/detail/config.hpp>

#ifdef PARMAP_SINGLE_HEADER_INCLUDED
#error "parmap/async.hpp needs the headers in include/parmap; the single header is not enough for it"
#endif

#include <parmap/detail/coroutines/async_run.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/detail/traces/map_watch.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/product.hpp>
#include <parmap/results.hpp>
#include <parmap/store.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detail/thread_context.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/system_error.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#ifndef ASIO_HAS_CO_AWAIT
#error                                                                                                                 \
    "parmap/async.hpp: Asio does not see that this compiler has coroutines; with clang, compile all sources with -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1, which the CMake target parmap::async does"
#endif

namespace parmap::inline PARMAP_ABI {

namespace detail {

// An io_context whose handlers can be destroyed while the objects they refer to still exist.
class event_loop : public asio::io_context {
 public:
  event_loop() : io_context(1) {}  // a single thread runs it

  // Runs this coroutine of this map to its end, and all other handlers until then.
  void run_to_end(asio::awaitable<void> coroutine, async_run_base& map) {
    std::exception_ptr lost;
    asio::co_spawn(*this, std::move(coroutine), [&](std::exception_ptr error) {
      lost = std::move(error);
      stop();  // does not wait for tasks that were left behind
    });
    while (!stopped()) {
      try {
        run();
      } catch (...) {  // from a handler that a task posted without its own executor
        map.break_off(std::current_exception());
      }
    }
    if (lost) std::rethrow_exception(lost);
  }
  // Destroys every handler that has not run, and so the coroutines that wait for it.
  void empty() { shutdown(); }
};

// Whether this thread is inside run() of an Asio context. False in a worker process, also if it was forked there.
inline bool in_running_context() {
  return asio::detail::thread_context::top_of_thread_call_stack() != nullptr && !inside_worker();
}

inline void refuse_for_async(const options& chosen) {
  if (chosen.memory_limit) refuse("async", "memory_limit", "because its tasks run in the caller's process; use multi");
}

template <class Work>
inline constexpr bool is_async = awaited<typename Work::result>::known;

}  // namespace detail

/// The engine for tasks that wait: runs coroutines in the calling thread, at most options::workers (0: 64) at a time.
/// While one task waits, others run. f returns asio::awaitable<T>, and map returns results<T>.
///
///     auto pages = parmap::map(parmap::async, download, urls, {.timeout = 5s, .workers = 100});
///
/// In f, `co_await asio::this_coro::executor` gives the executor for its timers and sockets. f must not block or
/// compute for long: all tasks would wait for it. Tasks begin in input order. The coroutine of a task is created when
/// the task begins, so the memory for coroutines grows with the workers, not with the tasks.
///
/// async cancels a task that runs past options::timeout: the operation that the task awaits ends with
/// operation_aborted. The task counts as timed_out. If it has not ended 50 ms later (25 ms in a map inside another
/// task), async abandons it: none of its code runs any more, and its coroutine is destroyed when map returns, or when
/// the operation that it awaits releases it. A failure keeps its exception (failure::rethrow). A crash ends the
/// program.
///
/// If an io_context already runs in this thread, map throws std::logic_error: use async_map there. memory_limit throws
/// std::invalid_argument. pthread_cancel of the calling thread takes effect when map has returned, because it cannot
/// unwind a coroutine.
class async_engine {
 public:
  /// For map: this engine awaits what f returns.
  static constexpr bool runs_coroutines = true;

  /// "async".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "async"; }

  /// What map calls.
  template <class Work>
  auto run(const Work& work, const options& chosen) const
      -> results<typename detail::awaited<typename Work::result>::type> {
    static_assert(detail::is_async<Work>,
                  "parmap::map: the engine async runs coroutines, but f does not return asio::awaitable<T>; make it "
                  "do so (co_return, co_await), or name the engine threads: parmap::map(parmap::threads, f, ...)");
    if constexpr (detail::is_async<Work>) {
      detail::refuse_for_async(chosen);
      if (detail::in_running_context())
        throw std::logic_error(
            "parmap: an io_context is running in this thread, and the engine async would block it; use co_await "
            "parmap::async_map(f, ...) there");
      const detail::cancellation_held_back here;  // a coroutine cannot be unwound by it
      const auto loop = std::make_shared<detail::event_loop>();
      const emptied at_end{*loop};
      using map_type = detail::async_run<Work, asio::io_context::executor_type>;
      const auto all = std::make_shared<map_type>(work, chosen, loop->get_executor(), detail::cancellation::none, loop);
      loop->run_to_end(all->run(), *all);
      return all->finish();
    }
  }

 private:
  struct emptied {
    detail::event_loop& loop;
    ~emptied() { loop.empty(); }
  };
};

/// The engine to name in a call: `parmap::map(parmap::async, f, x)`. See async_engine.
inline constexpr async_engine async{};

static_assert(engine<async_engine>);

namespace detail {

// A copy of the axis for a map that may outlive the argument it was given.
template <class Axis>
auto own(Axis&& axis) {
  using plain = std::remove_cvref_t<Axis>;
  if constexpr (std::is_array_v<plain>) return std::to_array(std::forward<Axis>(axis));
  else return plain(std::forward<Axis>(axis));
}
template <class... Axes>
auto own_space(Axes&&... axes) {
  if constexpr (sizeof...(Axes) == 1) return (make_axis(own(std::forward<Axes>(axes))), ...);
  else return product(own(std::forward<Axes>(axes))...);
}

// The f, axes and options of a map inside a running context; lives as long as any worker of the map.
template <class F, class Space>
struct owned_map {
  using value = typename awaited<result_of<F, Space>>::type;
  static constexpr bool can_store = can_store_value<value> && can_store_space<Space>;

  owned_map(F what, Space where, options how) : f(std::move(what)), space(std::move(where)), chosen(std::move(how)) {}

  F f;
  Space space;
  options chosen;
  std::optional<std::conditional_t<can_store, stored_map<value>, char>> store{};  // with options::store
  std::optional<map_watch> watch{};                                               // with options::times and the like
};

// An executor like this one that runs one handler at a time. The executor of a task of ours already does so.
// (any_executor::target does not check the type.)
inline asio::any_io_executor one_at_a_time(const asio::any_io_executor& here) {
  const std::type_info& type = here.target_type();
  if (type == typeid(task_executor<asio::io_context::executor_type>) ||
      type == typeid(task_executor<asio::any_io_executor>))
    return here;
  return asio::make_strand(here);
}

// Runs this coroutine of this map to its end. If the calling coroutine is cancelled meanwhile, breaks the map off.
inline asio::awaitable<void> run_here(asio::any_io_executor executor, asio::awaitable<void> coroutine,
                                      std::shared_ptr<async_run_base> map) {
  const auto start = [&](auto handler) {
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
      slot.assign([map, executor](asio::cancellation_type) {
        asio::post(executor, [map] {
          map->break_off(std::make_exception_ptr(asio::system_error(asio::error::operation_aborted, "async_map")));
        });
      });
    asio::co_spawn(
        executor, std::move(coroutine), [handler = std::move(handler)](const std::exception_ptr& lost) mutable {
          const auto where = asio::get_associated_executor(handler);
          asio::dispatch(where, [handler = std::move(handler), lost]() mutable { std::move(handler)(lost); });
        });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(start, asio::use_awaitable);
}

template <class F, class Space>
auto run_owned(std::shared_ptr<owned_map<F, Space>> what)
    -> asio::awaitable<results<typename awaited<result_of<F, Space>>::type>> {
  const ticks begun = now_ticks();
  const asio::any_io_executor executor = one_at_a_time(co_await asio::this_coro::executor);
  numbered_tasks<F, Space> tasks(what->f, what->space);
  const options* how = &what->chosen;
  std::string status;
  if constexpr (owned_map<F, Space>::can_store) {
    if (how->store != nullptr) {
      what->store.emplace(what->f, what->space, *how, numbered_tasks<F, Space>::takes_context);
      status = how->store->status_path(how->part);
      tasks = what->store->missing(tasks);
      how = &what->store->store().of_run();
    }
  }
  if (how->times) what->watch.emplace(*how, async.name(), tasks, status);
  const auto all = std::make_shared<async_run<numbered_tasks<F, Space>, asio::any_io_executor>>(
      what->watch ? tasks.observed_by(what->watch->observer()) : tasks, *how, executor, cancellation::possible, what);
  co_await run_here(executor, all->run(), all);
  auto made = all->finish();
  if (what->watch) {
    what->watch->finish();
    made = with_times(std::move(made), async, tasks, *what->watch);
  }
  if constexpr (owned_map<F, Space>::can_store)
    if (what->store) made = what->store->join(std::move(made));
  made.note_elapsed(now_ticks() - begun);
  describe_stored(made, async, numbered_tasks<F, Space>(what->f, what->space));
  note_names(made, what->space);
  co_return made;
}

template <class F, class Space>
auto own_and_run(F f, Space space, options chosen) {
  if constexpr (!callable<F, Space>::value) {
    static_assert(check_call<F, typename Space::elements>);
  } else if constexpr (!awaited<result_of<F, Space>>::known) {
    static_assert(awaited<result_of<F, Space>>::known,
                  "parmap::async_map: f does not return asio::awaitable<T>; make it do so (co_return, co_await)");
  } else {
    prepare(chosen);
    check_is_no_stream(chosen);
    check_is_whole(chosen, "parmap::async_map");
    if (chosen.store != nullptr) {
      if constexpr (!can_store_value<typename owned_map<F, Space>::value>) refuse_store_for_values();
      else if constexpr (!can_store_space<Space>) refuse_store_for_axes();
    }
    check_is_not_interrupted(chosen, "parmap::async_map");
    refuse_for_async(chosen);
    if (!chosen.seed && chosen.store == nullptr) chosen.seed = fresh_seed();
    return run_owned(std::make_shared<owned_map<F, Space>>(std::move(f), std::move(space), std::move(chosen)));
  }
}

}  // namespace detail

/// The engine async inside a running io_context: `co_await` gives the results<T> that map would return. One to four
/// axes.
///
///     asio::awaitable<void> crawl(std::vector<std::string> urls) {
///       auto pages = co_await parmap::async_map(download, urls, {.timeout = 5s, .workers = 100});
///     }
///
/// The tasks run on the executor of the calling coroutine. Only one of them runs at a time, even if several threads run
/// that executor. Many async_maps may run on it at once. A reporter is called on that executor, too.
///
/// async_map keeps copies of f and of the axes. What a product or a zip refers to must outlive the map. The map starts
/// at co_await. Throws as map does; a bad option throws std::invalid_argument in the call, before co_await. If the
/// calling coroutine is cancelled, async_map cancels its tasks and throws asio::system_error(operation_aborted).
///
/// With g++ 12 put options that are no numbers (store, label, trace, reporter, retry_if) into a variable first, because
/// that compiler destroys a temporary `{.store = ...}` of a co_await twice:
///
///     const parmap::options how{.store = parmap::checkpoint("pages.db", {.name = "download"}), .workers = 100};
///     auto pages = co_await parmap::async_map(download, urls, how);
///
/// With options::store the file is opened and read at co_await, and what has not been written at the end is waited for,
/// which holds up the executor for some milliseconds, and longer if the disk is slow. SIGINT and SIGTERM end the
/// program as usual; the file then goes on with what was stored.
template <class F, detail::not_options A>
auto async_map(F&& f, A&& a, options chosen = {}) {
  return detail::own_and_run(std::decay_t<F>(std::forward<F>(f)), detail::own_space(std::forward<A>(a)),
                             std::move(chosen));
}
template <class F, detail::not_options A, detail::not_options B>
auto async_map(F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::own_and_run(std::decay_t<F>(std::forward<F>(f)),
                             detail::own_space(std::forward<A>(a), std::forward<B>(b)), std::move(chosen));
}
template <class F, detail::not_options A, detail::not_options B, detail::not_options C>
auto async_map(F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::own_and_run(std::decay_t<F>(std::forward<F>(f)),
                             detail::own_space(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c)),
                             std::move(chosen));
}
template <class F, detail::not_options A, detail::not_options B, detail::not_options C, detail::not_options D>
auto async_map(F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::own_and_run(
      std::decay_t<F>(std::forward<F>(f)),
      detail::own_space(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d)),
      std::move(chosen));
}

}  // namespace parmap::inline PARMAP_ABI
