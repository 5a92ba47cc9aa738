// SPDX-License-Identifier: MIT
// One map on the engine threads: claims chunks until none are left, as many threads as come to help.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/results/task_tally.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/detail/threads/thread_pool.hpp>
#include <parmap/detail/threads/timeout_watch.hpp>
#include <parmap/options.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <stop_token>
#include <utility>

namespace parmap::detail {

// The task was still running when its time was over.
struct overran {};

// Tasks [from, from + tasks) on at most `workers` threads, the caller's among them.
template <class Work>
class threads_run final : public job {
 public:
  using value_sink = own_places<typename Work::result>;

  threads_run(const Work& work, const options& chosen, const value_sink& values, task_tally& books, std::uint64_t from,
              round_index tasks, unsigned workers, ticks begun)
      : work_(work),
        options_(chosen),
        values_(values),
        tally_(books),
        from_(from),
        range_(tasks),
        workers_(workers),
        begun_(begun),
        careful_(Work::takes_context || chosen.stop.stop_possible() || chosen.max_failures) {
    if (chosen.timeout) keeper_.emplace(*chosen.timeout, workers, chosen.stop);
  }

  void run() {
    if (workers_ == 1) {
      take_part(0, begun_, [](ticks, const chunk_pacer&) {});
      return;
    }
    thread_pool::announcement notice(thread_pool::instance(), *this, workers_ - 1, begun_);
    bool hurried = false;
    take_part(0, begun_,
              [&, long_enough = to_ticks(worth_a_wake), telling = to_ticks(tells_the_rest)](ticks now,
                                                                                            const chunk_pacer& pace) {
                const ticks spent = now - begun_;
                if (hurried || spent < telling) return;
                if (spent < long_enough && !pace.take_longer(range_.unclaimed().size(), long_enough)) return;
                hurried = true;
                notice.hurry();
              });
    notice.close();
    while (!notice.alone() && !notice.wait(tally_.until_next_show())) tally_.show(now_ticks());
  }

  [[nodiscard]] bool wants_help() const noexcept override { return wants_more_help(); }
  [[nodiscard]] bool wants_more_help() const noexcept override {
    return !range_.unclaimed().empty() && joined_.load(std::memory_order_relaxed) < workers_;
  }
  void help() noexcept override {
    const unsigned worker = joined_.fetch_add(1, std::memory_order_relaxed);
    if (worker < workers_) take_part(worker, now_ticks(), [](ticks, const chunk_pacer&) {});
  }

 private:
  static constexpr std::chrono::microseconds worth_a_wake{50};  // what waking a parked thread costs until it works
  // The first task's time has that of the announcement in it, some 0.2 us: times a thousand it would look like much
  // work.
  static constexpr std::chrono::microseconds tells_the_rest{2};

  template <class AfterChunk>
  void take_part(unsigned worker, ticks now, AfterChunk&& after_chunk) noexcept {
    try {
      take_chunks(worker, now, after_chunk);
    } catch (...) {
      tally_.give_up();
    }
  }
  template <class AfterChunk>
  void take_chunks(unsigned worker, ticks then, AfterChunk& after_chunk) {
    const task_scope inside;
    context self(*options_.seed, worker, options_.stop);
    chunk_pacer pace(workers_);
    for (;;) {
      round_index ran = 0;
      // While nobody has come to help the map is a short one, and the looks at the clock would be most of it.
      do {
        if (tally_.halted()) {
          const interval rest = range_.drain();
          tally_.add_never_begun(from_ + rest.b, from_ + rest.e);
          return;
        }
        const interval mine = range_.claim(worker, [&pace](round_index left) { return pace.chunk(left); });
        if (mine.empty()) return;
        if (careful_) run_chunk<true>(from_ + mine.b, from_ + mine.e, self);
        else run_chunk<false>(from_ + mine.b, from_ + mine.e, self);
        ran += mine.size();
      } while (ran < pace.unwatched() && joined_.load(std::memory_order_relaxed) == 1);
      if (range_.unclaimed().empty()) return;
      const ticks now = now_ticks();
      pace.ran(ran, now - then);
      then = now;
      if (worker == 0) tally_.show(now);
      after_chunk(now, pace);
    }
  }

  // A plain loop that the compiler may vectorise, in one try. Careful: what has to be looked at for each task.
  template <bool Careful>
  void run_chunk(const std::uint64_t b, const std::uint64_t e, context& self) {
    std::uint64_t at = b;  // the first task that has not ended
    std::uint64_t failed = 0;
    unsigned attempt = 1;
    bool halted = false;
    while (at < e && !halted) {
      try {
        work_.for_each(at, e, self, [&](std::uint64_t i, const auto& call) {
          if constexpr (Careful) {
            if (tally_.halted()) {
              halted = true;
              return false;
            }
            begin(self, i, attempt);
          }
          values_.put(i, call);
          if constexpr (Careful) end(self, i);
          at = i + 1;
          attempt = 1;
          return true;
        });
      } catch (...) {
        failure why = describe(self, at, attempt);
        if (attempt++ > options_.retries) {
          tally_.add_failure(std::move(why));
          ++failed;
          ++at;
          attempt = 1;
        }
      }
    }
    tally_.add_completed(at - b - failed);
    if (at < e) tally_.add_never_begun(at, e, attempt - 1);
  }

  void begin(context& self, std::uint64_t i, unsigned attempt) {
    self.begin(i, attempt);
    if (keeper_) self.set_stop_token(keeper_->begin(self.worker()));
  }
  void end(context& self, std::uint64_t i) {
    if (!keeper_ || !keeper_->end(self.worker())) return;
    values_.discard(i);
    throw overran{};
  }

  // Inside a catch block: what became of the task, which is no longer running.
  failure describe(context& self, std::uint64_t i, unsigned attempt) {
    bool late = false;
    thrown what;
    try {
      throw;
    } catch (const overran&) {
      late = true;
    } catch (...) {
      late = keeper_ && keeper_->end(self.worker());
      what = describe_or_give_up();
    }
    if (late)
      return {i, failure_kind::timed_out,
              "ran past its limit of " + to_text(*options_.timeout) +
                  " and ended when it liked; raise options.timeout, or ask context::stop_token() more often",
              attempt, nullptr};
    return {i, what.kind, std::move(what.message), attempt, std::current_exception()};
  }

  const Work& work_;
  const options& options_;
  const value_sink& values_;
  task_tally& tally_;
  std::uint64_t from_;
  unclaimed_range range_;
  unsigned workers_;
  ticks begun_;
  bool careful_;
  std::atomic<unsigned> joined_{1};
  std::optional<timeout_watch> keeper_;
};

}  // namespace parmap::detail
