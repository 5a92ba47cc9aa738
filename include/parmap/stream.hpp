// SPDX-License-Identifier: MIT
// stream: calls a function on every element of its axes, and gives the outcomes while the rest still runs.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/space/refused_calls.hpp>
#include <parmap/detail/stores/part_options.hpp>
#include <parmap/detail/stores/stored_source.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/stream_state.hpp>
#include <parmap/detail/traces/map_watch.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/failure.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>
#include <parmap/summary.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {
// Where the caller is: before an outcome that it has not asked for yet, at one, or at the end.
enum class stream_position { before, outcome, end };
}  // namespace detail

/// The outcomes of a stream, as they come: a single-pass range and view of indexed_outcome<T>, which stream() makes. It
/// can be moved, not copied, also to another thread; one thread at a time may use it.
///
/// An iterator waits for an outcome when it is read or compared, not when it is advanced. So `| std::views::take(10)`
/// waits for ten outcomes and no more.
///
/// The destructor ends the stream: under multi the tasks that run are killed, under threads they are requested to stop
/// (context::stop_token()) and the destructor waits for them. Nothing is left behind.
template <class T>
class [[nodiscard]] outcome_stream : public std::ranges::view_base {
 public:
  /// A single-pass iterator over the outcomes.
  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = indexed_outcome<T>;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    iterator(iterator&&) noexcept = default;
    iterator& operator=(iterator&&) noexcept = default;
    iterator(const iterator&) = delete;
    iterator& operator=(const iterator&) = delete;
    ~iterator() = default;

    /// The outcome, which may be moved from. Valid until the next call of ++ or of the stream's close().
    [[nodiscard]] indexed_outcome<T>& operator*() const { return of_->read().result; }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    /// Whether all outcomes have come. Waits for the next one. Throws what ends the stream.
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return it.is_at_end(); }

   private:
    friend outcome_stream;
    explicit iterator(outcome_stream* of) noexcept : of_(of) {}
    [[nodiscard]] bool is_at_end() const { return of_->is_at_end(); }

    outcome_stream* of_{};
  };

  /// For stream().
  explicit outcome_stream(std::unique_ptr<detail::stream_state<T>> state) noexcept : state_(std::move(state)) {}

  /// The next outcome that has not been read. Call it on the stream where it stays: iterators refer to it.
  [[nodiscard]] iterator begin() noexcept { return iterator(this); }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

  /// Ends the stream, as the destructor does. There are no further outcomes.
  void close() noexcept {
    at_ = position::end;
    state_->close();
  }

  /// The outcomes that have been read: how many have a value, the time since the stream began, and the failures grouped
  /// by cause (256 causes at most; the memory that they take does not grow with the stream).
  [[nodiscard]] map_summary summary() const { return state_->summary(); }
  /// The seed of context::rng() in this stream: see options::seed.
  [[nodiscard]] std::uint64_t seed() const noexcept { return state_->seed(); }

 private:
  using position = detail::stream_position;

  bool is_at_end() {
    if (at_ == position::before) {
      at_ = position::end;  // also if it throws
      if (state_->next() == detail::arrival::outcome) at_ = position::outcome;
    }
    return at_ == position::end;
  }
  detail::ended_task<T>& read() {
    static_cast<void>(is_at_end());
    return state_->current();
  }
  void advance() {
    static_cast<void>(is_at_end());
    if (at_ == position::outcome) at_ = position::before;
  }

  std::unique_ptr<detail::stream_state<T>> state_;
  position at_{position::before};
};

namespace detail {

// Owns f and its axes.
template <class Engine, class F, class Space>
class stream_of final : public stream_state<result_of<F, Space>> {
  using base = stream_state<result_of<F, Space>>;
  using tasks = numbered_tasks<F, Space>;

 public:
  template <class Function>
  stream_of(const Engine& who, Function&& f, Space&& space, options&& chosen, std::unique_ptr<open_store>&& store,
            std::shared_ptr<const task_part> those)
      : base(std::move(chosen), those == nullptr ? size_of(space) : those->size(), feed_of(space)),
        part_(std::move(those)),
        f_(std::forward<Function>(f)),
        space_(std::move(space)),
        tasks_(f_, space_) {
    if (part_ != nullptr) this->set_part(part_);
    if (store != nullptr) {
      this->begin(open_with_store(who, std::move(store)));
    } else {
      if (is_traced(this->chosen())) this->record(who.name(), texts_of(space_));
      if (part_ == nullptr) {
        this->begin(who.open_stream(tasks_, this->chosen(), size_of(space_), feed_of(space_)));
      } else {
        tasks_ = tasks_.renumbered_by(*part_);
        of_part_ = options_of_part(this->chosen(), *part_);
        this->begin(who.open_stream(tasks_, of_part_, part_->size(), nullptr));
      }
    }
  }
  ~stream_of() override { this->close(); }

 private:
  static std::optional<std::uint64_t> size_of(const Space& space) noexcept {
    if constexpr (requires { space.is_empty(); })
      if (space.is_empty()) return 0;
    if constexpr (is_unbounded<Space>) return std::nullopt;
    else return space.size();
  }
  static element_feed* feed_of(const Space& space) noexcept {
    if constexpr (is_unbounded<Space>) return space.feed();
    else return nullptr;
  }
  using value = result_of<F, Space>;

  // The tasks that have no stored outcome run.
  [[gnu::noinline, gnu::cold]] std::unique_ptr<outcome_source<value>>
  open_with_store(const Engine& who, std::unique_ptr<open_store>&& store) {
    if constexpr (is_unbounded<Space> || !can_store_value<value>) {
      return nullptr;  // its options are refused
    } else {
      const options& of_map = this->chosen();
      this->record(who.name(), texts_of(space_), of_map.store->status_path(of_map.part), store->stored());
      std::unique_ptr<outcome_source<value>> run;
      tasks_ = tasks_.renumbered_by(*store);
      if (store->size() > 0) run = who.open_stream(tasks_, store->of_run(), store->size(), nullptr);
      return std::make_unique<stored_source<value>>(std::move(store), std::move(run), this->chosen().ordered);
    }
  }
  // why.index is one of the map, whatever the engine is told.
  void describe_inputs(failure& why) const noexcept override {
    const tasks all(const_cast<F&>(f_), space_);
    if constexpr (requires { Engine::describe_inputs(all, why); }) {
      Engine::describe_inputs(all, why);
    } else {
      try {
        const inputs_writer writer = inputs_writer_of(all);
        why.inputs = writer.text(writer.tasks, why.index);
      } catch (...) {  // NOLINT(bugprone-empty-catch): this one has no text
      }
    }
  }

  std::shared_ptr<const task_part> part_;  // null: all tasks
  options of_part_;
  F f_;
  Space space_;
  tasks tasks_;
};

// Throws std::invalid_argument if the number of tasks is not known.
template <class Space>
std::shared_ptr<const task_part> part_of_stream(const Space& space, const parmap::part& which) {
  if constexpr (is_unbounded<Space>) refuse_part("a stream over an axis that is endless or can be read only once");
  else return part_of_tasks(space.size(), which);
}

// True for an engine that has streams.
template <class Engine, class Tasks>
inline constexpr bool has_streams =
    requires(const Engine& who, const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
             element_feed* feed) { who.open_stream(tasks, chosen, size, feed); };

template <class Engine, class F, class Space>
auto open_stream(const Engine& who, F&& f, Space&& space, options&& chosen) {
  using function = std::decay_t<F>;
  using space_type = std::remove_cvref_t<Space>;
  if constexpr (!callable<function, space_type>::value) {
    static_assert(check_call<function, typename space_type::elements>);
    return outcome_stream<int_after_error<F>>(nullptr);  // so that this is the only error
  } else if constexpr (is_collective<Engine>) {
    static_assert(
        !is_collective<Engine>,
        "parmap::stream: the outcomes of parmap::mpi are made on many ranks, and no loop of one rank could read "
        "them; use parmap::map(parmap::mpi.with({.gather = parmap::gather::none}), f, ...) and read what "
        "here() names on each rank, or give the map a store");
    return outcome_stream<int_after_error<F>>(nullptr);
  } else if constexpr (constexpr bool can_stream = has_streams<Engine, numbered_tasks<function, space_type>>;
                       !can_stream) {
    static_assert(
        can_stream,
        "parmap::stream: this engine has no streams yet; use parmap::multi, parmap::threads or parmap::serial");
    return outcome_stream<int_after_error<F>>(nullptr);
  } else if constexpr (coroutine<result_of<function, space_type>>) {
    static_assert(!coroutine<result_of<function, space_type>>,
                  "parmap::stream: f is a coroutine, which no engine with streams runs; parmap::map(parmap::async, f, "
                  "...) does");
    return outcome_stream<int_after_error<F>>(nullptr);
  } else {
    using value = result_of<function, space_type>;
    prepare(chosen);
    check_is_not_interrupted(chosen, "parmap::stream");
    std::unique_ptr<open_store> store;
    std::shared_ptr<const task_part> those;
    if (chosen.store != nullptr) {
      store = open_store_of_stream<value>(f, space, chosen);
      if (numbered_tasks<function, space_type>::takes_context && runs_here(who.name())) store->f_sees_stops();
      chosen.seed = store->of_run().seed;
      those = store->part();
    } else if (!chosen.part.is_whole()) {
      those = part_of_stream(space, chosen.part);
    }
    if (!chosen.seed) chosen.seed = unchosen_seed(chosen.part);
    return outcome_stream<value>(std::make_unique<stream_of<Engine, function, space_type>>(
        who, std::forward<F>(f), std::forward<Space>(space), std::move(chosen), std::move(store), std::move(those)));
  }
}

template <class Engine, class F, class... Axes>
auto stream_axes(const Engine& who, F&& f, options&& chosen, Axes&&... axes) {
  if constexpr (constexpr disorder wrong = disorder_of<F, Axes...>(); wrong != disorder::none) {
    say_disorder<wrong>();
    return outcome_stream<int_after_error<F>>(nullptr);  // so that this is the only error
  } else {
    return open_stream(who, std::forward<F>(f), make_stream_space(std::forward<Axes>(axes)...), std::move(chosen));
  }
}

template <class F, class... Axes>
auto stream_default(F&& f, options&& chosen, Axes&&... axes) {
  if constexpr (disorder_of<F, Axes...>() == disorder::none)
    static_assert(!returns_void<std::decay_t<F>, decltype(make_stream_space(std::declval<Axes>()...))>,
                  "parmap::stream: f returns void, and the default engine multi runs it in worker processes, where its "
                  "writes would vanish; return "
                  "the value, or name an engine: parmap::stream(parmap::threads, f, ...)");
  return stream_axes(multi, std::forward<F>(f), std::move(chosen), std::forward<Axes>(axes)...);
}

}  // namespace detail

/// Like map, but gives the outcomes one by one, as the tasks end, while the rest still runs. Returns an
/// outcome_stream<T>: a single-pass range of the task's index and its outcome<T>.
///
///     for (auto&& [index, outcome] : parmap::stream(f, xs))
///       if (outcome) use(index, *outcome);
///       else std::cerr << outcome.error() << '\n';
///
/// - With options::ordered the outcomes come in input order. One slow task then holds up all behind it, once the window
///   is full.
/// - At most options::window outcomes wait unread. When it is full, workers sleep until you read on: so a stream takes
///   the memory of its window, however many tasks there are.
/// - The first axis may be endless (std::views::iota(0)), or readable once only (std::views::istream<double>(in)). Then
///   it is read only as far as the window needs, by the thread that reads the stream. Under multi such an element
///   reaches its worker by codec<V>, unless the axis can be indexed. What the axis throws ends the stream, after the
///   outcomes of the elements before it. Other axes are as in map.
/// - The stream owns a copy of f, and the axes that are temporaries. The other axes must outlive it.
/// - Leaving the loop ends the stream. Under multi the tasks that still run are killed.
///
/// The engines are multi (the default), threads and serial. multi watches its tasks from a process of its own: a task
/// that runs past options::timeout is killed in time, also while the loop's body takes long. retry_if is called there,
/// so what it writes to memory does not reach the caller. Under threads the stream has threads of its own. Under serial
/// a task runs when its outcome is asked for; what it throws leaves the loop.
///
/// Once a stop is requested, or max_failures or the deadline is reached, the tasks that have not begun come as
/// `stopped`; of an axis without a known end those that the window has let in.
///
/// Several streams may be open at once, and a task may have a stream of its own.
///
/// Throws as map does before any task begins. Reading throws what an axis or the reporter throws, and
/// std::runtime_error if a task wrote over the memory that it shares with the caller, or if no worker survives (multi).
template <engine Engine, class F, detail::not_options A>
auto stream(const Engine& who, F&& f, A&& a, options chosen = {}) {
  return detail::stream_axes(who, std::forward<F>(f), std::move(chosen), std::forward<A>(a));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B>
auto stream(const Engine& who, F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::stream_axes(who, std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B, detail::not_options C>
auto stream(const Engine& who, F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::stream_axes(who, std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                             std::forward<C>(c));
}
template <engine Engine, class F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
auto stream(const Engine& who, F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::stream_axes(who, std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                             std::forward<C>(c), std::forward<D>(d));
}

/// The same on the default engine, multi. If f returns void, this is a compile error.
template <detail::not_engine F, detail::not_options A>
auto stream(F&& f, A&& a, options chosen = {}) {
  return detail::stream_default(std::forward<F>(f), std::move(chosen), std::forward<A>(a));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B>
auto stream(F&& f, A&& a, B&& b, options chosen = {}) {
  return detail::stream_default(std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B, detail::not_options C>
auto stream(F&& f, A&& a, B&& b, C&& c, options chosen = {}) {
  return detail::stream_default(std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                std::forward<C>(c));
}
template <detail::not_engine F, detail::not_options A, detail::not_options B, detail::not_options C,
          detail::not_options D>
auto stream(F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {}) {
  return detail::stream_default(std::forward<F>(f), std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                                std::forward<C>(c), std::forward<D>(d));
}

/// Five axes or more: a compile error that names the remedy.
template <class... Arguments>
  requires(detail::axes_in<Arguments...>() > 4)
void stream(Arguments&&...) {
  static_assert(
      sizeof...(Arguments) == 0,
      "parmap::stream takes one to four axes; put more into one: parmap::stream(f, parmap::product(a, b, c, d, "
      "e))");
}

// ---- Calls that match nothing above; see refused_calls.hpp.

// clang-format off: the comment stands in the line that the compiler shows

template <class A> void stream(detail::any_argument, A&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B> void stream(detail::any_argument, A&&, B&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>
template <class A, class B, class C> void stream(detail::any_argument, A&&, B&&, C&&, detail::unknown_option_or_value_of_another_type) = delete;  // durations as std::chrono: {.timeout = 5s}; names: <parmap/options.hpp>

template <class T> void stream(detail::any_argument, std::initializer_list<T>) = delete;  // braces have no type: write std::vector{1, 2, 3}
template <class... Axes> void stream(detail::overloaded_function, Axes&&...) = delete;  // several functions have that name: pass [](auto x) { return f(x); }
template <engine Engine, class... Axes> void stream(const Engine&, detail::overloaded_function, Axes&&...) = delete;  // several functions have that name: pass [](auto x) { return f(x); }
template <class F> void stream(F&&) = delete;  // at least one axis has to follow f: parmap::stream(f, xs)

// clang-format on

}  // namespace parmap::inline PARMAP_ABI
