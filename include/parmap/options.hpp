// SPDX-License-Identifier: MIT
// The options of one map, and the checks of their values that do not depend on an engine.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/option_text.hpp>
#include <parmap/part.hpp>
#include <parmap/progress.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

struct failure;
class result_store;

/// What options::retry_if may be: nothing, or any callable that takes `const failure&` and returns whether to try the
/// task again. Copies share the callable.
class retry_condition {
 public:
  retry_condition() noexcept = default;
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, retry_condition> && std::predicate<std::decay_t<F>&, const failure&>)
  // NOLINTNEXTLINE(google-explicit-constructor): options are written {.retry_if = is_late}
  retry_condition(F&& call)
      : call_(std::make_shared<const std::function<bool(const failure&)>>(std::forward<F>(call))) {}

  /// Whether there is a callable.
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }
  /// Calls it.
  bool operator()(const failure& why) const { return (*call_)(why); }

 private:
  std::shared_ptr<const std::function<bool(const failure&)>> call_;  // a pointer, as most maps have none
};

/// What SIGINT (Ctrl-C) and SIGTERM do while a map runs, for options::on_interrupt.
enum class interrupt {
  by_store,  ///< keep, if the map has a store; else end
  keep,      ///< the map ends, and returns what is done
  end,       ///< the program ends, as without parmap
};

/// The type of options::on_interrupt: an interrupt, which converts to it.
class interrupt_choice {
 public:
  interrupt_choice() noexcept = default;
  interrupt_choice(interrupt chosen) noexcept : chosen_(chosen) {}  // NOLINT(google-explicit-constructor)

  /// Whether such a signal only ends the map, if it has a store or none.
  [[nodiscard]] bool keeps(bool has_store) const noexcept {
    return chosen_ == interrupt::keep || (chosen_ == interrupt::by_store && has_store);
  }
  /// For engines: whether the map may be interrupted.
  [[nodiscard]] bool is_watched() const noexcept { return requested_ != nullptr; }
  /// For engines: whether it was. Then no task begins any more, as a stop was requested, too, and those that run are to
  /// be ended.
  [[nodiscard]] bool is_requested() const noexcept {
    return requested_ != nullptr && requested_->load(std::memory_order_acquire);
  }
  /// For map: who tells whether it was.
  void watch(const std::atomic<bool>& requested) noexcept { requested_ = &requested; }

 private:
  interrupt chosen_{interrupt::by_store};
  const std::atomic<bool>* requested_{};
};

/// The options of one map, and its last argument. Every field has a default.
///
///     parmap::map(f, x, {.retries = 1, .timeout = 5s, .workers = 4});
///
/// If the engine does not support an option, or a value is out of range, map throws std::invalid_argument before any
/// task begins. Only serial accepts all options, so that you can switch to it by changing one word.
///
/// The fields are in alphabetical order, so that you know the order of the designated initialisers. The order is a
/// promise: a new field goes to its alphabetical place.
struct options {
  /// The time for the whole map, counted from its call; positive. Then map begins no new task, and returns what is
  /// done; the other tasks fail as `stopped`. Running tasks have a grace: a tenth of this time, at most 30 s. After it
  /// multi kills them, async cancels them, and threads and serial request them to stop (context::stop_token()). None:
  /// no limit.
  ///
  ///     parmap::map(f, x, {.deadline = 23h});   // inside a batch job of 24 hours
  std::optional<std::chrono::nanoseconds> deadline{};
  /// What the map is called in its progress bar, its trace and its status file. Empty: nothing, and the program's name.
  option_text label{};
  /// Begin no new task once this many tasks have failed, after their retries. At least 1. None: no limit. The tasks
  /// that have not begun fail as `stopped`. serial ignores this option.
  std::optional<std::uint64_t> max_failures{};
  /// Bytes of private memory that a worker process may add to the memory that it inherits. At least 1. None: no limit.
  /// Beyond the limit operator new throws std::bad_alloc: the task fails as `out_of_memory`, and the next task gets a
  /// fresh worker. The limit is RLIMIT_DATA: it also counts mapped but untouched memory and the stacks of threads, but
  /// not results. Only multi enforces it, and throws std::runtime_error where /proc is missing. serial ignores it;
  /// threads and async refuse it.
  std::optional<std::uint64_t> memory_limit{};
  /// What SIGINT (Ctrl-C) and SIGTERM do while the map runs. parmap::interrupt::keep: no new task begins, those that
  /// run are ended at once (multi and pools kill them, async cancels them; under threads and serial they are requested
  /// to stop, see context::stop_token()), and map returns what is done; the others fail as `stopped`. A second signal
  /// ends the program. parmap::interrupt::end: the program ends. Default: keep for a map with a store, else end. It has
  /// no effect on a signal that the program handles or ignores itself; what map has changed is restored when it
  /// returns. Streams and async_map have it not.
  interrupt_choice on_interrupt{};
  /// For parmap::stream, which map is not: outcomes come in input order. One slow task then holds up all behind it,
  /// once the window is full. Without it they come as the tasks end.
  bool ordered{};
  /// Run only one part of the tasks: {3, 16} those whose index is 3 modulo 16. For programs that run as several jobs,
  /// such as a Slurm array (parmap::slurm_array_part()). The tasks of the other parts are neither values nor failures
  /// here: results::size() counts them, ok(), failures(), values() and the progress do not, and to read the value of
  /// one throws std::logic_error. Indices, inputs and random numbers are those of the whole map, so that all parts
  /// together are bit for bit what one call gives. The seed is then 0 unless you choose one, as the parts must have the
  /// same. With a store each part has a file of its own: "sweep.db" becomes "sweep.part03.db", which parmap.load of
  /// Python reads together. map and stream have it, on every engine but mpi. Default: all tasks.
  ///
  ///     parmap::map(f, x, {.part = parmap::slurm_array_part(), .store = parmap::checkpoint("sweep.db")});
  parmap::part part{};
  /// How the progress is shown. Default: a bar on stderr if stderr is a terminal and the map lasts over 0.5 s.
  parmap::reporter reporter{};
  /// How often map tries a failed task again. So a task has at most 1 + retries attempts, each with the whole timeout.
  unsigned retries{};
  /// How long a failed task waits before it is tried again; other tasks run meanwhile. The time doubles with each
  /// attempt of the task, and is multiplied by a random factor from 0.75 to 1.25, which depends on seed, task and
  /// attempt alone; at most a day. Zero: a task that throws is tried again at once. serial sleeps in between.
  ///
  ///     parmap::map(parmap::threads, download, urls, {.retries = 3, .retry_delay = 500ms});
  std::chrono::nanoseconds retry_delay{};
  /// Whether to try this failed task again; asked only while a retry is left. Empty: yes. It is called in the caller's
  /// process, by one thread at a time (under multi by the thread that called map). failure::inputs is empty there. What
  /// it throws ends the map, as what a reporter throws does.
  ///
  ///     const auto is_late = [](const parmap::failure& why) { return why.kind == parmap::failure::timed_out; };
  ///     parmap::map(f, x, {.retries = 2, .retry_if = is_late, .timeout = 5s});
  retry_condition retry_if{};
  /// The seed of context::rng(). None: map draws a fresh seed, which results::seed() returns; but that of a part is 0.
  std::optional<std::uint64_t> seed{};
  /// Begin no new task once this token's source has requested a stop. Tasks that have begun run to their end, and map
  /// waits for them. The tasks that have not begun fail as `stopped`.
  std::stop_token stop{};
  /// Where outcomes are kept, so that a later run of the same map goes on where this one ended: parmap::checkpoint
  /// (<parmap/checkpoint.hpp>). All calls have it, on every engine. None: nowhere.
  std::shared_ptr<result_store> store{};
  /// The time limit of one attempt of a task, counted from its own start; above zero, such as 5s or 200ms. None: no
  /// limit. A late task fails as `timed_out`. multi kills it, async cancels it, and threads requests a stop, which the
  /// task sees in context::stop_token(); if f takes no context&, threads refuses the option. serial ignores it.
  std::optional<std::chrono::nanoseconds> timeout{};
  /// Whether to measure how long each attempt takes, for results::summary(): how busy the workers were, and the five
  /// slowest tasks. Of a stream the last attempt of each task counts. It costs two looks at the clock for each task,
  /// and under multi 64 bytes in shared memory that are written and read.
  ///
  ///     std::cerr << parmap::map(simulate, meshes, {.times = true}).summary() << '\n';
  bool times{};
  /// The path of a file that shows which worker ran which task, when: a slice for each task, its inputs, failures and
  /// repeated attempts. Chrome's trace format: open it in ui.perfetto.dev, or make a page of it by `python -m parmap
  /// report FILE`. An existing file is replaced. If there are many tasks, or they are short, several share a slice: at
  /// most 10^6 slices. While the map runs, the file path.status says once a second how far it is. It implies `times`.
  /// map throws std::runtime_error if the file cannot be made. Empty: none; but if the environment variable
  /// PARMAP_TRACE names a folder, each map of the program that is not inside a worker process has a trace there.
  ///
  ///     parmap::map(simulate, meshes, {.trace = "run.json"});
  option_text trace{};
  /// For parmap::stream, which map is not: at most this many outcomes wait unread; further tasks begin when some have
  /// been taken. 0: as many as fit into 2 MiB, but at least 4 for each worker.
  std::uint64_t window{};
  /// The largest number of workers; never more than there are tasks. 0: under async 64; else the number of usable cores
  /// (CPU affinity and cgroup quota, read once per process), or 1 inside a worker process of multi. serial has one.
  unsigned workers{};
};

namespace detail {

// Throws std::invalid_argument for values that no engine accepts.
PARMAP_API void check_values(const options& chosen);

// Throws the std::invalid_argument of a function that is no stream.
[[noreturn]] PARMAP_API void refuse_stream_options();
// Throws the std::invalid_argument of what runs no part of a map.
[[noreturn]] PARMAP_API void refuse_part(std::string_view what);
// That of an engine whose ranks call the map together.
[[noreturn]] PARMAP_API void refuse_part_of_ranks(std::string_view engine);
inline void check_is_whole(const options& chosen, std::string_view what) {
  if (!chosen.part.is_whole()) refuse_part(what);
}
// The seed of a map for which none is chosen.
[[nodiscard]] PARMAP_API std::uint64_t unchosen_seed(const part& which);
// Throws the std::invalid_argument of what cannot be interrupted and go on.
[[noreturn]] PARMAP_API void refuse_interrupts(std::string_view what);
inline void check_is_not_interrupted(const options& chosen, std::string_view what) {
  if (chosen.on_interrupt.keeps(false)) refuse_interrupts(what);
}
inline void check_is_no_stream(const options& chosen) {
  if (chosen.ordered || chosen.window != 0) refuse_stream_options();
}

// Whether a failed attempt is not repeated at once by whoever ran it.
[[nodiscard]] inline bool postpones_retries(const options& chosen) noexcept {
  return chosen.retries > 0 && (chosen.retry_delay > std::chrono::nanoseconds::zero() || chosen.retry_if);
}

// Throws the std::invalid_argument of an engine that does not support an option.
[[noreturn]] PARMAP_API void refuse(std::string_view engine, std::string_view option, std::string_view remedy);

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/options.inl.hpp>
#endif
