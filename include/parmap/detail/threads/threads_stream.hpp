// SPDX-License-Identifier: MIT
// threads_stream: a stream on the engine threads; threads of its own run tasks as far as the window permits.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_place.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/reader_pace.hpp>
#include <parmap/detail/threads/outcome_lane.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Where a worker's outcomes wait for the caller.
class worker_outbox {
 public:
  worker_outbox() = default;
  worker_outbox(const worker_outbox&) = delete;
  worker_outbox& operator=(const worker_outbox&) = delete;
  virtual ~worker_outbox() = default;

  // ---- by the worker

  // The task whose value has been put has ended well.
  virtual void send_value(unsigned attempts, ticks spent) noexcept = 0;
  // It has not: the value, if there is one, is destroyed.
  virtual void drop_value() noexcept = 0;
  virtual void send_failure(failure why, ticks spent) = 0;
};

// What does not depend on the result type: the threads, and what they claim.
class stream_threads {
 public:
  struct worker {
    const placed_tasks* tasks;
    worker_outbox* outbox;
  };

  // `size`: none if the number of tasks is unknown. `measures`: take the time of each task. Starts the threads. Throws
  // std::system_error if there can be none.
  PARMAP_API stream_threads(std::vector<worker> workers, const options& chosen, std::optional<std::uint64_t> size,
                            bool measures);
  // Requests the tasks that run to stop, and waits for them.
  PARMAP_API ~stream_threads();
  stream_threads(const stream_threads&) = delete;
  stream_threads& operator=(const stream_threads&) = delete;

  PARMAP_API bool allow(std::uint64_t limit);
  PARMAP_API void end_at(std::uint64_t tasks);
  PARMAP_API void halt() noexcept;

  // Whether no thread will send anything any more. Throws what ends the stream: what options::retry_if has thrown, or
  // std::bad_alloc.
  [[nodiscard]] PARMAP_API bool ended() const;
  // Once ended: the tasks that were allowed and never begun.
  struct never_begun {
    std::uint64_t b;
    std::uint64_t e;
    std::string why;
  };
  [[nodiscard]] PARMAP_API never_begun rest() const;

  // The caller looks whether there is an outcome after it has announced that it will sleep; then it sleeps until one is
  // sent or the threads have ended, at most for `limit`. A processor may show a thread this announcement later than
  // what the thread has sent before, and to the caller what was sent after what it does then; a fence at each task
  // would cost more than all the rest. So the first sleep is to be one of first_nap: by then all has arrived.
  static constexpr std::chrono::nanoseconds first_nap = std::chrono::milliseconds(1);
  static constexpr std::chrono::nanoseconds longest_nap = std::chrono::seconds(1);
  PARMAP_API void announce_sleep() noexcept;
  PARMAP_API void sleep(std::chrono::nanoseconds limit) noexcept;
  PARMAP_API void wake_up() noexcept;

  [[nodiscard]] PARMAP_API static unsigned workers_for(const placed_tasks& tasks, const options& chosen,
                                                       std::optional<std::uint64_t> size);

 private:
  class crew;
  std::unique_ptr<crew> crew_;
};

// Also where the tasks of a worker put their values: at once to where the caller reads them.
template <class T>
class outbox_of final : public worker_outbox {
 public:
  explicit outbox_of(unsigned worker) : worker_(worker) {}

  // By the worker; see value_places.hpp.
  template <class Call>
  void put(std::uint64_t i, const Call& call) {
    if constexpr (std::is_void_v<T>) {
      call();
      lane_.make(i, outcome<T>(), 0U, worker_);
    } else {
      lane_.make(i, call(), 0U, worker_);
    }
  }
  void send_value(unsigned attempts, ticks spent) noexcept override {
    ended_task<T>& made = lane_.made();
    made.attempts = attempts;
    made.spent = spent;
    lane_.send();
  }
  void drop_value() noexcept override { lane_.drop(); }
  void send_failure(failure why, ticks spent) override {
    const std::uint64_t index = why.index;
    const unsigned attempts = why.attempts;
    lane_.make(index, std::move(why), attempts, attempts == 0 ? never_ran : worker_, spent);
    lane_.send();
  }

  // By the caller.
  [[nodiscard]] outcome_lane<T>& lane() noexcept { return lane_; }

 private:
  outcome_lane<T> lane_;
  unsigned worker_;
};

template <class Tasks>
class threads_stream final : public outcome_source<typename Tasks::result> {
  using value = typename Tasks::result;

 public:
  threads_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size, bool measures = true) {
    outcome_place<value> none;
    const unsigned workers =
        stream_threads::workers_for(placed_tasks_of<Tasks, outcome_place<value>>(tasks, none), chosen, size);
    std::vector<stream_threads::worker> crew;
    for (unsigned w = 0; w < workers; ++w) {
      outbox_of<value>& box = outboxes_.emplace_back(w);
      crew.push_back({&bound_.emplace_back(tasks, box), &box});
    }
    threads_.emplace(std::move(crew), chosen, size, measures);
  }

  bool allow(std::uint64_t limit) override { return threads_->allow(limit); }
  void end_at(std::uint64_t tasks) override { threads_->end_at(tasks); }
  void halt() noexcept override { threads_->halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return static_cast<unsigned>(outboxes_.size()); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return sizeof(ended_task<value>); }

  arrival next(std::optional<ended_task<value>>& to, std::chrono::nanoseconds patience) override {
    if (rest_) return take_never_begun(to) ? arrival::outcome : arrival::end;  // no thread is left to look at
    if (take_one(to, patience)) return arrival::outcome;
    const auto begun = std::chrono::steady_clock::now();
    std::chrono::nanoseconds spent{};
    for (std::chrono::nanoseconds nap = stream_threads::first_nap; patience > spent;
         nap = stream_threads::longest_nap) {
      threads_->announce_sleep();
      if (!look(patience)) threads_->sleep(std::min<std::chrono::nanoseconds>(nap, patience - spent));
      threads_->wake_up();
      if (take_one(to, patience)) return arrival::outcome;
      if (threads_->ended()) break;
      spent = std::chrono::steady_clock::now() - begun;
    }
    if (!threads_->ended()) return arrival::nothing_yet;
    // What was sent before the last thread ended is seen after that.
    if (take_one(to, patience)) return arrival::outcome;
    return take_never_begun(to) ? arrival::outcome : arrival::end;
  }
  arrival next_or_some(outcomes_at_hand<value>& some, std::optional<ended_task<value>>& to,
                       std::chrono::nanoseconds patience) override {
    if (rest_ || !look(patience)) return next(to, patience);
    some = outcomes_at_hand<value>(std::exchange(there_, {}));
    return arrival::outcome;
  }

 private:
  bool take_one(std::optional<ended_task<value>>& to, std::chrono::nanoseconds patience) {
    if (!look(patience)) return false;
    to.emplace(std::move(there_.front()));
    there_ = there_.subspan(1);
    return true;
  }
  // Looks, if there is nothing, into the next lane in turn that has something.
  bool look(std::chrono::nanoseconds patience) {
    if (!there_.empty()) return true;
    outboxes_[turn_].lane().take(given_);
    pace_.before_look(patience);
    for (std::size_t k = 0; k < outboxes_.size() && there_.empty(); ++k) {
      turn_ = turn_ + 1 < outboxes_.size() ? turn_ + 1 : 0;
      there_ = outboxes_[turn_].lane().unread();
    }
    given_ = there_.size();
    pace_.found(given_);
    return given_ > 0;
  }
  bool take_never_begun(std::optional<ended_task<value>>& to) {
    if (!rest_) rest_ = threads_->rest();
    if (rest_->b >= rest_->e) return false;
    const std::uint64_t i = rest_->b++;
    to.emplace(i, failure{i, failure_kind::stopped, rest_->why, 0}, 0U);
    return true;
  }

  std::deque<outbox_of<value>> outboxes_;
  std::deque<placed_tasks_of<Tasks, outbox_of<value>>> bound_;
  std::size_t turn_{};                    // the lane where outcomes were found last,
  std::size_t given_{};                   // how many,
  std::span<ended_task<value>> there_{};  // and those of them that have not been given away
  reader_pace pace_;
  std::optional<stream_threads::never_begun> rest_;
  std::optional<stream_threads> threads_;  // destroyed first
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/threads/threads_stream.inl.hpp>
#endif
