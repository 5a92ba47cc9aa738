// SPDX-License-Identifier: MIT
// stream_state: the caller's end of a stream. It lets tasks begin as the window permits, reads lazy axes, and puts
// outcomes in order.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/stream_tally.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/traces/stream_record.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>
#include <parmap/summary.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace parmap::inline PARMAP_ABI::detail {

// How many tasks may have begun whose outcomes have not been taken, if options::window does not say: as many as fit
// into 2 MiB, but some for each worker.
inline std::uint64_t window_of(std::uint64_t chosen, unsigned workers, std::uint64_t mean_bytes) noexcept {
  constexpr std::uint64_t bytes = 2 << 20;
  constexpr std::uint64_t least_bytes = 72;  // what an outcome takes at least, on its way, and some for the way
  constexpr std::uint64_t least_per_worker = 4;
  if (chosen != 0) return chosen;
  const std::uint64_t least = least_per_worker * workers;
  return mean_bytes == 0 ? least : std::max(least, bytes / std::max(mean_bytes, least_bytes));
}

// The same object is used by one thread at a time.
template <class T>
class stream_state {
 public:
  stream_state(const stream_state&) = delete;
  stream_state& operator=(const stream_state&) = delete;
  virtual ~stream_state() = default;

  // Waits for the next outcome, at most for `patience`. If it returns arrival::outcome, current() is that one, until
  // the next call. Throws what ends the stream: what an axis or the reporter throws, and what is wrong with the engine.
  arrival next(std::chrono::nanoseconds patience = std::chrono::nanoseconds::max()) {
    try {
      // The common case: one is at hand, and the window need not be looked at.
      if (taken_ < quick_until_ && take_at_hand()) {
        note_quickly();
        return arrival::outcome;
      }
      return take_next(patience);
    } catch (...) {
      record_.abandon();
      close();
      throw;
    }
  }
  [[nodiscard]] ended_task<T>& current() noexcept { return *now_; }

  // Ends the tasks that run, and leaves nothing behind. next() returns arrival::end from then on.
  void close() noexcept {
    quick_until_ = 0;
    source_.reset();
    at_hand_ = {};
    end_record();
  }

  [[nodiscard]] map_summary summary() const { return tally_.summary(); }
  [[nodiscard]] std::uint64_t seed() const noexcept { return *options_.seed; }

 protected:
  // `tasks`: none if their number is unknown. `feed`: the axis that is read as the stream goes, or null.
  stream_state(options&& chosen, std::optional<std::uint64_t> tasks, element_feed* feed)
      : options_(std::move(chosen)),
        feed_(feed),
        tasks_(tasks),
        tally_(options_, tasks) {}

  // For a stream with a trace or a store, before begin(). `text`: of a task's inputs; may be empty. `status`: a path of
  // a status file, or empty. `stored`: how many tasks need not run.
  void record(std::string_view engine_name, std::function<std::string(std::uint64_t)>&& text,
              const std::string& status = {}, std::uint64_t stored = 0) {
    watched_tasks tasks{.stored = stored, .text = std::move(text)};
    if (tasks_) tasks.size = *tasks_ - stored;
    record_.begin(options_, engine_name, std::move(tasks), status);
  }
  // Before begin(): the stream is one of these tasks, and numbers them from 0; its outcomes have their indices.
  void set_part(std::shared_ptr<const task_part> those) noexcept { part_ = std::move(those); }
  void record_by(std::shared_ptr<map_recorder> it) noexcept { record_.begin(std::move(it)); }
  // Call at the end of the constructor of the class that has f and the axes.
  void begin(std::unique_ptr<outcome_source<T>> source) {
    source_ = std::move(source);
    tally_.note_workers(source_->workers());
    let_begin();
  }
  // In the destructor of the class that has f and the axes.
  [[nodiscard]] const options& chosen() const noexcept { return options_; }
  // Sets why.inputs.
  virtual void describe_inputs(failure& why) const noexcept = 0;

 private:
  using outcome_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  // To read an element that is there takes less; to wait for one takes more.
  static constexpr std::chrono::microseconds quick_read{100};

  // Makes the next outcome current, in the order in which they come. Waits for it, at most for `patience`.
  arrival fetch(std::chrono::nanoseconds patience) {
    if (take_at_hand()) return arrival::outcome;
    at_hand_ = {};
    const arrival came = source_->next_or_some(at_hand_, current_, patience);
    if (came != arrival::outcome) current_.reset();
    else if (!take_at_hand()) now_ = &*current_;
    return came;
  }
  bool take_at_hand() {
    // A process that was forked from the caller takes nothing; the engine knows.
    if (at_hand_.empty() || generation_ != fork_generation()) return false;
    ended_task<T>& next = at_hand_.take();
    // Where the caller steps from one value to the next, the first one is destroyed.
    if constexpr (std::is_trivially_destructible_v<outcome_value>) now_ = &next;
    else now_ = &current_.emplace(std::move(next));
    return true;
  }

  arrival take_next(std::chrono::nanoseconds patience) {
    if (source_ == nullptr) {
      current_.reset();
      return arrival::end;
    }
    std::optional<std::chrono::steady_clock::time_point> until;
    for (bool waits = false;;) {
      if (taken_ >= next_look_) let_begin();
      quick_until_ = feed_ == nullptr && !options_.ordered ? next_look_ : 0;
      if (options_.ordered && take_in_order()) return arrival::outcome;
      const bool reads = wants_element();
      auto came = fetch(std::chrono::nanoseconds(0));
      if (came == arrival::nothing_yet) {  // only now a look at the clock is worth its time
        if (!std::exchange(waits, true)) until = deadline_of(patience);
        if (!reads) came = fetch(nap(until));
      }
      if (came == arrival::outcome) {
        if (reads && reads_quickly_) read_some();
        if (put()) return arrival::outcome;
        continue;
      }
      if (came == arrival::end) return take_read_in_vain() ? arrival::outcome : finish();
      next_look_ = 0;
      if (reads) read_some();
      else if (until && std::chrono::steady_clock::now() >= *until) return arrival::nothing_yet;
      if (!tally_.show(known())) source_->halt();
    }
  }
  // What take_next does with the current outcome; false if it is not its turn.
  bool put() {
    ended_task<T>& got = *now_;
    if (options_.ordered && got.result.index != taken_) {
      const std::uint64_t place = got.result.index - taken_;
      if (held_.size() <= place) held_.resize(place + 1);
      held_[place] = std::move(got);
      return false;
    }
    note_taken();
    return true;
  }
  static std::optional<std::chrono::steady_clock::time_point> deadline_of(std::chrono::nanoseconds patience) {
    if (patience == std::chrono::nanoseconds::max()) return std::nullopt;
    const auto now = std::chrono::steady_clock::now();
    if (patience >= std::chrono::steady_clock::time_point::max() - now) return std::nullopt;
    return now + patience;
  }
  // The time until the caller, or its reporter, wants to hear of it.
  [[nodiscard]] std::chrono::nanoseconds nap(const std::optional<std::chrono::steady_clock::time_point>& until) {
    const std::chrono::nanoseconds limit = tally_.until_next_show();
    if (!until) return limit;
    return std::clamp<std::chrono::nanoseconds>(*until - std::chrono::steady_clock::now(), limit.zero(), limit);
  }

  // ---- what may begin

  [[nodiscard]] std::uint64_t window() const noexcept {
    return window_of(options_.window, source_->workers(), source_->mean_bytes());
  }
  // Called now and then only, as each time workers may have to be woken.
  void let_begin() {
    const std::uint64_t size = window();
    window_end_ = taken_ + std::min(size, ~std::uint64_t{0} - taken_);
    // A large window has enough for either side in half of it, and each time costs a few microseconds.
    next_look_ = taken_ + (size < 4096 ? std::max<std::uint64_t>(size / 4, 1) : size / 2);
    allow();
  }
  void allow() {
    const std::uint64_t limit =
        feed_ == nullptr ? window_end_ : std::min(window_end_, feed_->read() * feed_->tasks_of_one());
    if (limit != allowed_) halted_ = !source_->allow(allowed_ = limit) || halted_;
  }

  // ---- reading ahead

  // An element is read only if a task of it may begin at once.
  [[nodiscard]] bool wants_element() const noexcept {
    constexpr std::uint64_t most_bytes = 2 << 20;
    if (feed_ == nullptr || tasks_ || halted_ || !feed_->has_room()) return false;
    const std::uint64_t known = feed_->read() * feed_->tasks_of_one();
    if (known >= window_end_) return false;
    const std::uint64_t few = std::uint64_t{4} * source_->workers();
    return feed_->bytes() < most_bytes || known - std::min(known, taken_) < few;
  }
  // Reads for a while, so that tasks begin between outcomes and an outcome does not wait long.
  void read_some() {
    const ticks begun = now_ticks();
    const ticks enough = to_ticks(quick_read);
    std::uint64_t count = 0;
    bool more = true;
    try {
      while (more && count < 64 && wants_element()) {
        more = feed_->read_one();
        count += more ? 1 : 0;
        if (now_ticks() - begun > enough) break;
      }
    } catch (...) {
      broken_ = std::current_exception();  // after the outcomes of what has been read
      more = false;
    }
    reads_quickly_ = now_ticks() - begun < enough * std::max<std::uint64_t>(count, 1);
    allow();
    if (more) return;
    tasks_ = feed_->read() * feed_->tasks_of_one();
    source_->end_at(*tasks_);
  }

  // ---- what has come

  // Whether the next outcome in order has come before; it is current then.
  bool take_in_order() {
    if (held_.empty() || !held_.front()) return false;
    current_ = std::move(*held_.front());
    now_ = &*current_;
    note_taken();
    return true;
  }
  void note_taken() {
    if (!held_.empty()) held_.pop_front();
    const std::uint64_t index = now_->result.index;
    note_quickly();
    if (feed_ != nullptr) feed_->one_is_taken(index / feed_->tasks_of_one());
  }
  // That of a stream without order and feed.
  void note_quickly() {
    ++taken_;
    outcome<T>& what = now_->result.outcome;
    if (part_ != nullptr) give_index();
    if (what) tally_.add_value();
    else note_failure(what);
    if (options_.times) note_time();
    if (tally_.is_due() && !tally_.show(known())) source_->halt();
  }
  void give_index() {
    auto& [index, what] = now_->result;
    index = part_->index(index);
    if (what) return;
    failure why = std::move(what).error();
    why.index = index;
    what = outcome<T>(std::move(why));
  }
  // While the elements of the task are there.
  void note_time() {
    if (now_->worker == never_ran) return;
    const auto& [index, what] = now_->result;
    if (what) record_.tell({index, now_->attempts, now_->worker}, now_->spent, nullptr);
    task_time* const slow = tally_.add_time(index, now_->attempts, now_->spent);
    if (slow == nullptr) return;
    failure shown{index};
    if (what) describe_inputs(shown);
    slow->inputs = what ? shown.inputs : what.error().inputs;
  }
  void note_failure(outcome<T>& what) {
    failure why = what.error();
    if (now_->worker != never_ran) record_.tell({now_->result.index, now_->attempts, now_->worker}, now_->spent, &why);
    if (why.kind == failure_kind::stopped) why_stopped_ = why.message;
    if (why.kind != failure_kind::stopped && why.inputs.empty()) {
      describe_inputs(why);
      what = outcome<T>(std::move(why));
    }
    tally_.add_failure(what.error());
  }
  // Of a halted stream: the tasks of elements that were read when no task began any more. All others have come.
  bool take_read_in_vain() {
    if (feed_ == nullptr || taken_ >= feed_->read() * feed_->tasks_of_one()) return false;
    now_ = &current_.emplace(taken_, failure{taken_, failure_kind::stopped, why_stopped_, 0}, 0U);
    note_taken();
    return true;
  }
  arrival finish() {
    tally_.finish(known());
    source_.reset();
    if (!broken_) end_record();
    if (broken_) std::rethrow_exception(std::exchange(broken_, nullptr));
    return arrival::end;
  }
  void end_record() noexcept { record_.finish(known()); }
  // The tasks that are known so far.
  [[nodiscard]] std::uint64_t known() const noexcept { return tasks_.value_or(std::max(allowed_, taken_)); }

  options options_;
  element_feed* feed_;
  std::shared_ptr<const task_part> part_;  // null: all tasks
  std::optional<std::uint64_t> tasks_;
  stream_tally tally_;
  stream_record record_;
  std::unique_ptr<outcome_source<T>> source_;
  std::uint64_t generation_{fork_generation()};
  outcomes_at_hand<T> at_hand_;
  std::optional<ended_task<T>> current_;
  ended_task<T>* now_{};                           // the current one: that, or one of at_hand_
  std::deque<std::optional<ended_task<T>>> held_;  // in order: those behind the next one; the first place is its own
  std::uint64_t taken_{};
  std::uint64_t window_end_{};
  std::uint64_t next_look_{};    // outcomes that have been taken, when the window is to be looked at again
  std::uint64_t quick_until_{};  // until then nothing but taking has to be done
  std::uint64_t allowed_{};
  bool reads_quickly_{true};
  bool halted_{};
  std::string why_stopped_{stop_requested_text};
  std::exception_ptr broken_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
