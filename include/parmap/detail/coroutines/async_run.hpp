// SPDX-License-Identifier: MIT
// async_run: one map on the engine async; workers are coroutines on one thread, and each runs one task after the other.
// One class, as a task's begin, end, limit and abandonment all move its worker between the same lists.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/coroutines/async_run_base.hpp>
#include <parmap/detail/coroutines/async_task_executor.hpp>
#include <parmap/detail/coroutines/intrusive_list.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/observers/attempt_teller.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/task_tally.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/due_queue.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Held by a shared_ptr that its workers share, so it lives as long as any operation of a task that was left behind.
// Used by one thread at a time, that of the executor, which also runs the tasks. README.md describes the ownership.
template <class Work, class Executor>
class async_run final : public async_run_base, public std::enable_shared_from_this<async_run<Work, Executor>> {
 public:
  using value = typename awaited<typename Work::result>::type;

  // `home`: an object that must outlive every operation of the tasks.
  async_run(const Work& work, const options& chosen, Executor executor, cancellation how,
            std::shared_ptr<void> home = nullptr)
      : home_(std::move(home)),
        executor_(std::move(executor)),
        work_(work),
        options_(chosen),
        last_(chosen.deadline),
        cancellable_(how == cancellation::possible || chosen.timeout.has_value() || last_.is_set() ||
                     chosen.on_interrupt.is_watched()),
        grace_(task_scope::inside() ? grace / 2 : grace),
        room_(std::min<std::uint64_t>(work.size(), chosen.workers != 0 ? chosen.workers : default_workers)),
        values_(work.size()),
        tally_("async", chosen, work.size(), now_ticks()),
        told_(observer_of(work)),
        bell_(executor_) {}

  // Returns when every task has ended, was left behind or will not be begun.
  asio::awaitable<void> run() {
    for (;;) {
      tally_.show(now_ticks());
      if (tally_.broken_off()) cancel_all();
      keep_deadline();
      cancel_late();
      leave_behind_cancelled();
      const bool hurried = hire();
      if (present_ == 0 && nothing_to_begin()) co_return;
      bell_set_ = hurried ? clock::now() : next_look();
      bell_.expires_at(bell_set_);
      asio::error_code rung;
      co_await bell_.async_wait(asio::redirect_error(asio::use_awaitable, rung));
    }
  }
  void break_off(std::exception_ptr why) noexcept override {
    tally_.break_off(std::move(why));
    ring();
  }
  // After run().
  results<value> finish() { return values_.finish(with_inputs(work_, tally_.finish(values_)), *options_.seed); }

 private:
  using clock = std::chrono::steady_clock;

  static constexpr std::uint64_t default_workers = 64;
  // The longest time that one worker, or hiring, keeps the others waiting.
  static constexpr std::chrono::microseconds turn{100};

  struct no_context {
    no_context(std::uint64_t, unsigned, const std::stop_token&) {}
  };
  using self = std::conditional_t<Work::takes_context, context, no_context>;

  // A worker with a task is in in_flight_; once its task is cancelled, in asked_ and then in cancelled_.
  struct worker final : async_worker, list_node, std::enable_shared_from_this<worker> {
    worker(std::shared_ptr<async_run> of, unsigned which)
        : map(std::move(of)),
          number(which),
          about(*map->options_.seed, which, map->options_.stop) {}

    void stray(std::exception_ptr what) noexcept override { map->fail_by_stray(*this, std::move(what)); }

    std::shared_ptr<async_run> map;
    asio::cancellation_signal cancel{};
    std::uint64_t task{};
    unsigned attempt{};
    unsigned number;
    bool late{};
    bool stopped{};             // cancelled because the map's time is over
    clock::time_point due{};    // when its task is late; after its cancellation: when its grace ends
    detail::attempt running{};  // for an observer
    [[no_unique_address]] self about;
  };

  // Lives in the frame of a worker's coroutine; the destructor reports that the coroutine is gone.
  class presence {
   public:
    explicit presence(worker& who) noexcept : who_(who) {}
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() { who_.map->left(who_); }

   private:
    worker& who_;
  };

  // ---- In a worker's coroutine

  asio::awaitable<void> serve(worker& me) {
    const presence here(me);
    while (claim(me)) {
      try {
        auto held = work_.elements(me.task);
        if constexpr (std::is_void_v<value>) {
          co_await work_.call(held, me.about);
          end(me);
        } else {
          value made = co_await work_.call(held, me.about);
          end(me);
          values_.put(me.task, [&made]() -> value&& { return std::move(made); });
        }
        if (told_.is_on()) told_.end(me.running, {.object = values_.address(me.task)});
        tally_.add_completed(1);
      } catch (...) {
        failed(me);
      }
      if (cancellable_) {  // f's cancellation state must not reach the next task
        co_await asio::this_coro::reset_cancellation_state();
        co_await asio::this_coro::throw_if_cancelled(true);
      }
      if (now_ticks() - me.gone_on() > turn_) co_await asio::post(asio::use_awaitable);
    }
  }

  // Gives the worker its next task; false if there is none.
  bool claim(worker& me) {
    if (tally_.halted()) {
      begin_no_more();
      return false;
    }
    if (again_.is_due()) {
      const attempt_left left = again_.take_first();
      me.task = left.task;
      me.attempt = left.attempt;
    } else if (next_ < work_.size()) {
      me.task = next_++;
      me.attempt = 1;
    } else {
      return false;
    }
    me.late = false;
    if constexpr (Work::takes_context) me.about.begin(me.task, me.attempt);
    if (told_.is_on()) told_.begin(me.running, me.task, me.attempt, me.number);
    in_flight_.push_back(me);
    if (options_.timeout) {
      me.due = clock::now() + *options_.timeout;
      if (me.due < bell_set_) ring();
    }
    return true;
  }

  struct overran {};

  // The worker's task has ended; throws if it was late.
  static void end(worker& me) {
    me.unlink();
    if (me.late) throw overran{};
  }

  // Call in a catch block.
  void failed(worker& me) noexcept {
    me.unlink();
    try {
      if (me.stopped) return tally_.add_never_begun(me.task, me.task + 1, me.attempt);
      if (me.late) return fail(me, failure_kind::timed_out, late_text());
      thrown what = describe_or_give_up();
      fail(me, what.kind, std::move(what.message), std::current_exception());
    } catch (...) {
      tally_.give_up();
    }
  }
  void fail(worker& me, failure_kind kind, std::string message, std::exception_ptr what = nullptr) {
    if (told_.is_on()) attempt_teller::stop(me.running);
    failure why{me.task, kind, std::move(message), me.attempt, std::move(what)};
    if (me.attempt > options_.retries || !is_worth_a_retry(why)) {
      if (told_.is_on()) told_.end(me.running, {}, &why);
      return tally_.add_failure(std::move(why));
    }
    if (told_.is_on()) told_.fail(me.running, why);
    const auto wait = retry_wait(options_.retry_delay, *options_.seed, me.task, me.attempt);
    again_.add({clock::now() + wait, me.task, me.attempt + 1});
    if (again_.first().due < bell_set_) ring();
  }
  // What options::retry_if throws breaks the map off.
  [[nodiscard]] bool is_worth_a_retry(const failure& why) noexcept {
    if (!options_.retry_if) return true;
    try {
      return options_.retry_if(why);
    } catch (...) {
      break_off(std::current_exception());
      return false;
    }
  }
  [[nodiscard]] std::string late_text() const {
    return "ran past its limit of " + to_text(*options_.timeout) + " and was cancelled";
  }

  // ---- The end of a worker

  // The worker's coroutine has ended, or was destroyed while it waited.
  void left(worker& me) noexcept {
    if (me.is_cut_off()) return;
    const bool lost = me.is_linked();
    if (lost)
      lose(me, failure_kind::threw,
           "its coroutine was destroyed while it waited: an operation it awaited dropped its handler");
    dismiss(me);
    if (lost || present_ == 0) ring();
  }
  void leave_behind(worker& me, failure_kind kind, const char* why, std::exception_ptr what = nullptr) noexcept {
    me.cut_off();
    forget_slots(me);
    lose(me, kind, why, std::move(what));
    dismiss(me);
  }
  // The worker's task cannot end any more.
  void lose(worker& me, failure_kind kind, const char* why, std::exception_ptr what = nullptr) noexcept {
    me.unlink();
    try {
      if (me.stopped) tally_.add_never_begun(me.task, me.task + 1, me.attempt);
      else if (me.late) fail(me, failure_kind::timed_out, late_text() + why);
      else fail(me, kind, why, std::move(what));
    } catch (...) {
      tally_.give_up();
    }
  }
  void dismiss(const worker& me) noexcept {
    if (told_.is_on()) told_.tell(me.number, worker_event::died);
    free_numbers_.push_back(me.number);  // hire_one() has reserved the room
    --present_;
  }
  void fail_by_stray(worker& me, std::exception_ptr what) noexcept {
    if (!me.is_linked()) return break_off(std::move(what));  // the task that caused it is unknown
    std::string message;
    try {
      std::rethrow_exception(what);
    } catch (...) {
      message = describe_or_give_up().message;
    }
    leave_behind(me, failure_kind::threw, message.c_str(), std::move(what));
    ring();
  }

  // ---- In run()

  // Hires workers while there are both room and work; true if it must continue after the others have had their turn.
  bool hire() {
    const ticks begun = now_ticks();
    while (present_ < room_ && (tally_.halted() ? !nothing_to_begin() : next_ < work_.size() || again_.is_due())) {
      if (tally_.halted()) {
        begin_no_more();
        return false;
      }
      if (now_ticks() - begun > turn_) return true;
      try {
        hire_one();
      } catch (const std::bad_alloc&) {
        if (present_ == 0) tally_.give_up();
        else room_ = present_;
      }
    }
    return false;
  }
  void hire_one() {
    if (free_numbers_.capacity() <= numbers_) free_numbers_.reserve(2 * (std::size_t{numbers_} + 1));
    const unsigned number = free_numbers_.empty() ? numbers_++ : free_numbers_.back();
    if (!free_numbers_.empty()) free_numbers_.pop_back();
    ++present_;
    try {
      const auto who = std::make_shared<worker>(this->shared_from_this(), number);
      const task_executor<Executor> home(who, executor_);
      if (told_.is_on()) told_.tell(number, worker_event::born);
      spawn_worker(home, serve(*who), cancellable_ ? &who->cancel : nullptr);
    } catch (...) {
      free_numbers_.push_back(number);
      --present_;
      throw;
    }
  }
  [[nodiscard]] bool nothing_to_begin() const noexcept { return next_ == work_.size() && again_.empty(); }
  void begin_no_more() {
    tally_.add_never_begun(std::exchange(next_, work_.size()), work_.size());
    for (const auto& [due, task, attempt] : again_.take_all()) tally_.add_never_begun(task, task + 1, attempt - 1);
  }

  // After the deadline no task is begun; after the grace those in flight are cancelled. If the map is interrupted, both
  // at once.
  void keep_deadline() {
    if (options_.on_interrupt.is_requested()) {
      tally_.halt();
      cancel_first([](worker& who) { return who.stopped = true; });
    }
    if (!last_.is_set()) return;
    const auto now = clock::now();
    if (now >= last_.begin_no_more()) tally_.halt_at_deadline();
    if (now >= last_.end_all()) cancel_first([](worker& who) { return who.stopped = true; });
  }
  void cancel_late() {
    if (!options_.timeout) return;
    const auto now = clock::now();
    cancel_first([now](worker& who) { return who.late = who.due <= now; });
  }
  void cancel_all() {
    cancel_first([](const worker&) { return true; });
  }
  // Cancels tasks in flight, the earliest first, until `whom` returns false. Cancelling many tasks takes time, so the
  // grace of all begins after the last one.
  template <class Whom>
  void cancel_first(Whom&& whom) {
    while (!in_flight_.empty() && whom(first(in_flight_))) cancel(first(in_flight_));
    if (asked_.empty()) return;
    for (const auto due = clock::now() + (cancellable_ ? grace_ : grace_.zero()); !asked_.empty();) {
      worker& who = first(asked_);
      who.due = due;
      move(who, cancelled_);
    }
  }
  void cancel(worker& who) {
    const auto held = who.shared_from_this();  // the task may end meanwhile
    move(who, asked_);
    emitting_ = true;
    who.cancel.emit(asio::cancellation_type::all);
    emitting_ = false;
    if (who.is_cut_off()) forget_slots(who);
  }
  static void move(worker& who, intrusive_list& to) noexcept {
    who.unlink();
    to.push_back(who);
  }
  // Clears the worker's cancellation slot, whose handler may hold the worker's executor, and so the worker itself.
  void forget_slots(worker& who) noexcept {
    if (!emitting_) who.cancel.slot().clear();
  }
  void leave_behind_cancelled() {
    if (cancelled_.empty()) return;
    for (const auto now = clock::now(); !cancelled_.empty() && first(cancelled_).due <= now;) {
      const auto held = first(cancelled_).shared_from_this();
      leave_behind(*held, failure_kind::stopped, "; it ignored that and was abandoned");
    }
  }

  // When run() must look again, unless the bell rings before.
  [[nodiscard]] clock::time_point next_look() {
    const auto now = clock::now();
    auto when = clock::time_point::max();
    if (const auto shown = tally_.until_next_show(); shown < when - now) when = now + shown;
    constexpr std::chrono::milliseconds look_for_interrupts(20);
    if (options_.on_interrupt.is_watched()) when = std::min<clock::time_point>(when, now + look_for_interrupts);
    for (const auto moment : {last_.begin_no_more(), last_.end_all()})
      if (now < moment) when = std::min(when, moment);
    if (!again_.empty() && present_ < room_) when = std::min(when, again_.first().due);
    if (options_.timeout && !in_flight_.empty()) when = std::min(when, first(in_flight_).due);
    if (!cancelled_.empty()) when = std::min(when, first(cancelled_).due);
    return when;
  }
  void ring() noexcept {
    try {
      bell_.cancel();
    } catch (...) {
      tally_.give_up();
    }
  }
  [[nodiscard]] static worker& first(const intrusive_list& list) noexcept { return static_cast<worker&>(list.front()); }

  struct attempt_left {
    clock::time_point due;
    std::uint64_t task;
    unsigned attempt;
  };

  std::shared_ptr<void> home_;
  Executor executor_;
  Work work_;
  const options& options_;
  deadline last_;
  bool cancellable_;
  std::chrono::milliseconds grace_;
  std::uint64_t room_;
  std::uint64_t present_{};
  std::uint64_t next_{};
  due_queue<attempt_left> again_;
  unsigned numbers_{};
  std::vector<unsigned> free_numbers_;
  intrusive_list in_flight_;  // in the order in which the tasks began
  intrusive_list asked_;
  intrusive_list cancelled_;
  bool emitting_{};
  own_places<value> values_;
  task_tally tally_;
  attempt_teller told_;
  asio::steady_timer bell_;
  clock::time_point bell_set_{clock::time_point::max()};
  ticks turn_{to_ticks(turn)};
};

}  // namespace parmap::inline PARMAP_ABI::detail
