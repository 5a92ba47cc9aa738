// SPDX-License-Identifier: MIT
// supervisor: watches the workers of a map (worker_crew), kills late tasks, and decides what the death of a worker
// means. What it decides by has files of its own: worker_watch, vain_deaths, task_retries, death_message. attempt_watch
// tells observers.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/attempt_watch.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/dead_tasks.hpp>
#include <parmap/detail/processes/death_message.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/supervisor_client.hpp>
#include <parmap/detail/processes/task_retries.hpp>
#include <parmap/detail/processes/vain_deaths.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/processes/worker_crew.hpp>
#include <parmap/detail/processes/worker_watch.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Runs in the calling thread. Its destructor ends all workers that are left, also after an exception.
class supervisor {
 public:
  using life = worker_crew::life;

  // `news` wakes the supervisor, if tasks can be postponed.
  supervisor(shared_layout& shared, const options& chosen, lazy_meter& meter, const core_placement& place,
             const cancellation_held_back& held_back, const event_counter* news, std::uint64_t tasks,
             unsigned most_idle_deaths, life work, supervisor_client* client = nullptr)
      : book_(shared.book()),
        records_(shared.arenas()),
        options_(chosen),
        meter_(meter),
        news_(news),
        tasks_(tasks),
        client_(client),
        limits_(chosen.timeout),
        last_(chosen.deadline),
        interrupt_(chosen.on_interrupt),
        deaths_(most_idle_deaths, limits_),
        blamed_once_(client == nullptr ? dead_tasks::all : dead_tasks::of_stream),
        retries_(
            book_, records_, chosen,
            client == nullptr
                ? task_retries::sink()
                : [client](const failure& why, unsigned w, attempt_span when) { client->add_failure(why, w, when); }),
        crew_(shared, place, held_back, std::move(work)) {
    book_.ask_of_deaths([this](unsigned w) { return crew_.has_died(w); });
  }
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;
  ~supervisor() = default;

  // Work for the calling thread while workers run, about 100 µs per call. All tasks of the round outside `open` have
  // ended when pastime(open) is called; it returns whether it has more to do. It is not called any more once a worker
  // has been replaced, as the next fork would have to copy the memory that it fills.
  using pastime = std::function<bool(interval open)>;
  void meanwhile(pastime what) { pastime_ = std::move(what); }

  // Tells of a task in which worker w has died whether its value counts all the same: of a reduction, see
  // process_tasks; of a stream, it has been sent.
  void ask_of_values(std::function<bool(unsigned w, std::uint64_t task)> has_value) {
    has_value_ = std::move(has_value);
  }

  // Tells an observer of all attempts and workers.
  void tell(attempt_watch& observed) {
    observed_ = &observed;
    crew_.tell(observed);
    retries_.tell([&observed](unsigned w, const failure& why, attempt_span when, bool again) {
      observed.failed(w, why, when, again);
    });
  }

  // Runs tasks [from, from + n) to their end, on at most `workers` workers. Throws std::system_error if no worker can
  // be started, std::runtime_error if no worker survives and nothing has been done.
  void run_round(std::uint64_t from, round_index n, unsigned workers) {
    from_ = from;
    workers_ = workers;
    retries_.begin_round(from);
    crew_.begin_round();
    book_.begin_round(n, from);
    for (unsigned w = 0; w < workers && !book_.halted(); ++w)
      if (!hire(w)) break;  // continue with the workers there are
    crew_.throw_if_none_has_begun();
    for (;;) {
      while (crew_.alive() > 0 || retries_.only_postponed_are_left()) wait_for_news();
      look_at_failures();  // of the last worker
      if (retries_.only_postponed_are_left()) continue;
      if (book_.halted() || !book_.anything_unclaimed()) return;
      if (deaths_.too_many()) return give_up(deaths_.reason());
      if (!hire_with_patience()) return give_up("no new worker could be started: " + crew_.why_refused());
    }
  }

  // The failures of tasks that died with their worker; those of a stream have gone to its client.
  [[nodiscard]] failure_runs& blamed() noexcept { return blamed_; }
  [[nodiscard]] std::uint64_t blamed_tasks() const noexcept { return blamed_tasks_; }
  [[nodiscard]] task_retries& retries() noexcept { return retries_; }
  // Why no further worker could be started, if that ended the map.
  [[nodiscard]] const std::string& why_gave_up() const noexcept { return why_gave_up_; }

 private:
  // False if the fork was refused.
  bool hire(unsigned w) {
    const worker_crew::start how = crew_.hire(w);
    if (how == worker_crew::start::missed) bury(w);
    return how != worker_crew::start::refused;
  }
  bool replace(unsigned w) {
    pastime_ = nullptr;
    return hire(w);
  }

  // There is work but no worker. Tries for a second, as the reason of a refused fork may pass.
  bool hire_with_patience() {
    constexpr int tries = 100;
    for (int k = 0; k < tries; ++k) {
      if (replace(0)) return true;
      static_cast<void>(::poll(nullptr, 0, 10));
    }
    return false;
  }

  // No worker is left. Throws if nothing has been done; else halts the map, which returns what is done.
  void give_up(const std::string& why) {
    why_gave_up_ = why;
    if (book_.finished() == 0 && blamed_tasks_ == 0) throw std::runtime_error("parmap: " + why_gave_up_);
    book_.halt(halt_reason::no_worker);
  }

  // Sleeps until a worker dies, a task's time is over, or progress is to be shown; then handles it.
  void wait_for_news() {
    std::vector<pollfd> fds;
    const auto limit = std::min({enforce_limits(), enforce_deadline(), meter_.wait(), pass_time(), crew_.settle(),
                                 until_news(), crew_.watch(fds)});
    if (news_ != nullptr) fds.push_back({news_->descriptor(), POLLIN, 0});
    if (client_ != nullptr) client_->watch(fds);
    crew_.sleep(fds, limit);
    crew_.look(fds, [this](unsigned w) { bury(w); });
    if (client_ != nullptr && !client_->look()) stop_workers();
    if (news_ != nullptr) look_at_news();
    else if (observed_ != nullptr) look_at_failures();
    tell_longest_task();
    const std::uint64_t failed = book_.failures();
    const std::uint64_t finished = std::min(book_.finished() + blamed_tasks_ - retries_.voided().count(), tasks_);
    try {
      meter_.look(now_ticks(), finished - std::min(failed, finished), failed);
    } catch (const stop_now&) {
      stop_workers();
    }
  }

  void tell_longest_task() const noexcept {
    const worker_watch* const longest = crew_.longest_task();
    if (longest == nullptr) return;
    const std::uint64_t now = monotonic_ns();
    language_runtime::current().note_longest_task(from_ + longest->task(),
                                                  std::chrono::nanoseconds(now - std::min(now, longest->since())));
  }

  // Halts the map and kills all workers. Their running tasks count as stopped and are not blamed; see ended_by_stop.
  void stop_workers() noexcept {
    book_.halt(halt_reason::stop_requested);
    crew_.end_all();
  }

  // Does a piece of the pastime. Returns the time until the next piece: zero if more is ready, else from half a
  // millisecond if much comes to 50 ms if little comes.
  std::chrono::nanoseconds pass_time() {
    if (!pastime_) return no_limit;
    const ticks begun = now_ticks();
    if (pastime_(book_.not_ended())) return std::chrono::nanoseconds(0);
    const bool much = now_ticks() - begun > to_ticks(std::chrono::microseconds(50));
    nap_ = much ? std::max(nap_ / 2, shortest_nap) : std::min(nap_ * 2, longest_nap);
    return nap_;
  }

  // Kills workers that are past a limit. Returns the time until the next one may be.
  std::chrono::nanoseconds enforce_limits() {
    const std::uint64_t now = monotonic_ns();
    const task_orders* const orders = client_ == nullptr ? nullptr : client_->orders();
    std::chrono::nanoseconds next = orders == nullptr ? limits_.shortest()
                                    : client_->doze() ? no_limit
                                                      : orders->shortest_limit();
    for (unsigned w = 0; w < crew_.posts(); ++w) {
      worker_crew::post& at = crew_.at(w);
      if (!at.process || at.late || at.overdue || at.stopped || at.dismissed) continue;
      const auto own = orders != nullptr ? limit_of_attempt(w) : std::nullopt;
      if (orders != nullptr) limits_ = activity_limits(own);
      const auto left = at.watch.time_left(book_.of(w), limits_, now, [&at] { return at.process->was_continued(); });
      if (orders != nullptr && at.watch.last_seen() == activity::task && orders->ends(w, from_ + at.watch.task()))
        at.stopped = crew_.kill_if_as_seen(w);
      else if (left > std::chrono::nanoseconds(0)) next = std::min(next, left);
      else if (orders != nullptr && limit_of_attempt(w) != own) next = std::chrono::nanoseconds(0);  // of a task before
      else if (at.watch.last_seen() == activity::birth) at.overdue = crew_.dismiss(w, true);
      else (at.watch.last_seen() == activity::task ? at.late : at.overdue) = crew_.kill_if_as_seen(w);
    }
    return next;
  }

  [[nodiscard]] bool of_pool() const noexcept { return client_ != nullptr && client_->orders() != nullptr; }
  // Of what worker w of a pool runs, or has run last. Read before its position it may be that of a task before.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> limit_of_attempt(unsigned w) const noexcept {
    const std::uint64_t ns = book_.of(w).allowed.get();
    if (ns == 0 || ns >= static_cast<std::uint64_t>(no_limit.count())) return std::nullopt;
    return std::chrono::nanoseconds(ns);
  }

  // Begins no new task after the deadline, and kills all workers after the grace, or when the map is interrupted.
  // Returns the time until the next of these.
  std::chrono::nanoseconds enforce_deadline() {
    if (interrupt_.is_requested()) stop_workers();
    if (!last_.is_set()) return no_limit;
    const auto now = deadline::clock::now();
    if (now < last_.begin_no_more()) return last_.begin_no_more() - now;
    if (!book_.halted()) {
      book_.halt(halt_reason::deadline);
      crew_.dismiss_the_unborn();
    }
    if (now < last_.end_all()) return last_.end_all() - now;
    stop_workers();
    return no_limit;
  }

  // Worker w is dead: reaps it, recovers its claim, blames its task for the death if one was running, and replaces it
  // if there is work.
  void bury(unsigned w) {
    worker_crew::post& at = crew_.at(w);
    const ending how = crew_.reap(w);
    const auto said = book_.of(w).farewell_word.get();
    if (said >> 32 == static_cast<std::uint64_t>(farewell::damaged))
      throw_overwritten("a worker found impossible numbers there");
    if (observed_ != nullptr) look_at_failures();
    const auto failure_published = [&](round_index task, unsigned attempt) {
      return records_.newest_is(w, from_ + task, attempt);
    };
    // In an observed map also failures are published after which the worker tries the task again.
    const auto published = [&](round_index task, unsigned attempt) {
      const bool ends_it = book_.postpones() || attempt > options_.retries;
      return (ends_it && failure_published(task, attempt)) || (has_value_ && has_value_(w, from_ + task));
    };
    if (const position seen = unpack_position(book_.of(w).cur.get());
        at.ended_by_stop(how) && seen.running && !published(seen.task, seen.attempts))
      book_.of(w).give_back(seen.task, seen.attempts);
    const claim_ledger::death what = book_.recover(w, published);
    if (client_ != nullptr) client_->worker_has_died();
    death_cause cause{how, static_cast<farewell>(said >> 32), static_cast<int>(said & 0xffff'ffff),
                      at.late ? limit_of_dead(w) : std::nullopt};
    cause.memory_limit = options_.memory_limit;
    cause.other_threads = at.late && threads_of(::getpid()) > 1;
    const bool told = observed_ != nullptr && what.in_task && !failure_published(what.task, what.attempts);
    if (what.blamed || what.postponed || told) {
      cause.oom_killed = how.how == ending::killed && how.code == SIGKILL && !at.late && crew_.oom_killer_struck();
      failure why{from_ + what.task, kind_of(cause), describe(cause), what.attempts, nullptr, status_of(cause)};
      const bool again = !what.blamed && (!what.postponed || retries_.postpone(why));
      if (told) observed_->failed(w, why, time_until_now(w), again);
      if (!again) {
        blamed_once_.note(why.index);
        ++blamed_tasks_;
        if (client_ != nullptr) client_->add_failure(why, w, time_until_now(w));
        else blamed_.emplace_back(std::move(why), 1);
        book_.count_failure();
      }
    }
    if (observed_ != nullptr) observed_->died(w);
    book_.halt_at_limit();  // the worker that reached the limit may have died before it halted the map
    // One of a pool that waited for work has not died in vain: the next one may wait as long.
    const bool waited = of_pool() && book_.of(w).waiting.get() != 0;
    if (of_pool()) limits_ = activity_limits(limit_of_attempt(w));
    const bool left_in_order = !what.in_task && cause.said == farewell::done;
    const bool unborn = at.overdue && at.watch.last_seen() == activity::birth;
    if (book_.halted() || (!book_.anything_unclaimed() && retries_.none_is_postponed())) crew_.dismiss_the_unborn();
    else if (!at.dismissed && !left_in_order &&
             is_worth_replacing(what.in_task || at.stopped || waited, cause, at.overdue, unborn))
      replace(w);
  }

  // Reads what workers have published of failed attempts, and makes the tasks claimable that are due. Once nothing is
  // left, workers that wait are dismissed. Whether they are idle is asked first: then no failure is published after the
  // look at the failures.
  void look_at_news() {
    news_->clear();
    const bool idle = book_.idle();
    look_at_failures();
    while (retries_.put_one()) hire_one_more();
    if (!idle || !retries_.none_is_postponed()) return;
    book_.dismiss();
    crew_.dismiss_the_unborn();
  }
  void look_at_failures() {
    if (observed_ != nullptr) observed_->look(from_, [this] { retries_.look_at_failures(); });
    else retries_.look_at_failures();
  }
  // A worker that has died was not replaced if only postponed tasks were left.
  void hire_one_more() {
    if (deaths_.too_many()) return;
    for (unsigned w = 0; w < workers_; ++w)
      if (crew_.at(w).process && book_.of(w).waiting.get() != 0) return;
    for (unsigned w = 0; w < workers_; ++w)
      if (!crew_.at(w).process) {
        replace(w);
        return;
      }
  }
  // The time until a task is due, or until the supervisor looks, in case the news does not reach it.
  [[nodiscard]] std::chrono::nanoseconds until_news() const {
    const std::chrono::nanoseconds seen = observed_ != nullptr ? attempt_watch::glance : no_limit;
    if (news_ == nullptr) return seen;
    return std::min<std::chrono::nanoseconds>({seen, retries_.until_due(), glance});
  }

  // `had_reason`: it ran a task, or was killed as the caller of a pool wished or as it waited there. Nobody is forked
  // in place of a worker that could not begin in time.
  bool is_worth_replacing(bool had_reason, const death_cause& cause, bool hung, bool unborn) {
    if (unborn) deaths_.late_birth();
    else deaths_.death(!had_reason && cause.said != farewell::worn, book_.finished(), hung, cause);
    return !unborn && !deaths_.too_many();
  }

  // Of the attempt in which worker w has died; unknown if no start was noted.
  [[nodiscard]] attempt_span time_until_now(unsigned w) const noexcept {
    const std::uint64_t began = book_.of(w).started.get();
    const std::uint64_t now = monotonic_ns();
    return began == 0 ? attempt_span() : attempt_span{began, now - std::min(now, began)};
  }

  [[nodiscard]] std::optional<std::chrono::nanoseconds> limit_of_dead(unsigned w) const noexcept {
    return of_pool() ? limit_of_attempt(w) : options_.timeout;
  }

  static constexpr std::chrono::milliseconds glance{1000};
  static constexpr std::chrono::nanoseconds shortest_nap = std::chrono::microseconds(500);
  static constexpr std::chrono::nanoseconds longest_nap = std::chrono::milliseconds(50);

  claim_ledger& book_;
  const worker_arenas& records_;
  const options& options_;
  lazy_meter& meter_;
  const event_counter* news_;
  std::uint64_t tasks_;
  supervisor_client* client_;
  attempt_watch* observed_{};
  std::function<bool(unsigned, std::uint64_t)> has_value_;
  pastime pastime_;
  std::chrono::nanoseconds nap_{shortest_nap};
  activity_limits limits_;
  deadline last_;
  interrupt_choice interrupt_;
  vain_deaths deaths_;
  dead_tasks blamed_once_;
  task_retries retries_;
  std::uint64_t from_{};
  unsigned workers_{};  // of this round
  failure_runs blamed_;
  std::uint64_t blamed_tasks_{};
  std::string why_gave_up_;
  worker_crew crew_;  // ends first
};

}  // namespace parmap::inline PARMAP_ABI::detail
