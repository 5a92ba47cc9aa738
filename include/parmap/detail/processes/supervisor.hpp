// SPDX-License-Identifier: MIT
// supervisor: starts the workers of a map, watches them, kills late tasks, and decides what the death of a worker
// means.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/death_message.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/oom_killer.hpp>
#include <parmap/detail/system/proc_file.hpp>
#include <parmap/detail/system/process_tree.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/options.hpp>

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Runs in the calling thread. Its destructor kills all workers that are left, also after an exception.
class supervisor {
 public:
  // What worker w runs in its process; it must not return.
  using life = std::function<void(unsigned w)>;

  supervisor(claim_ledger& book, const worker_arenas& records, const options& chosen, lazy_meter& meter,
             const core_placement& place, std::uint64_t tasks, unsigned most_idle_deaths, life work)
      : book_(book),
        records_(records),
        options_(chosen),
        meter_(meter),
        place_(place),
        tasks_(tasks),
        most_idle_deaths_(most_idle_deaths),
        work_(std::move(work)),
        posts_(book.workers()) {
    book_.ask_of_deaths([this](unsigned w) { return !posts_[w].process || posts_[w].process->has_died(); });
  }
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;
  ~supervisor() = default;

  // Work for the calling thread while workers run, about 100 µs per call. All tasks of the round outside `open` have
  // ended when pastime(open) is called; it returns whether it has more to do. It is not called any more once a worker
  // has been replaced, as the next fork would have to copy the memory that it fills.
  using pastime = std::function<bool(interval open)>;
  void meanwhile(pastime what) { pastime_ = std::move(what); }

  // Runs tasks [from, from + n) to their end, on at most `workers` workers. Throws std::system_error if no worker can
  // be started, std::runtime_error if no worker survives and nothing has been done.
  void run_round(std::uint64_t from, round_index n, unsigned workers) {
    from_ = from;
    begun_at_ = monotonic_ns();
    book_.begin_round(n);
    for (unsigned w = 0; w < workers && !book_.halted(); ++w)
      if (!hire(w)) break;  // continue with the workers there are
    if (alive() == 0 && refused_ && !begun_) std::rethrow_exception(refused_);
    for (;;) {
      while (alive() > 0) wait_for_news();
      if (book_.halted() || !book_.anything_unclaimed()) return;
      if (idle_deaths_ > most_idle_deaths_ || !hire_with_patience()) return give_up();
    }
  }

  // The failures of tasks that died with their worker.
  [[nodiscard]] failure_runs& blamed() noexcept { return blamed_; }
  // Why no further worker could be started, if that ended the map.
  [[nodiscard]] const std::string& why_gave_up() const noexcept { return why_gave_up_; }

 private:
  struct post {
    std::optional<child_process> process;
    bool late{};              // killed because its task ran past the limit
    bool dismissed{};         // killed before it began, as nothing is left to run
    bool stopped{};           // killed because the map is to end now
    unsigned pardons{};       // how often its task got its whole limit again after a stop
    std::uint64_t resumed{};  // when it was last seen to have been stopped and continued, by monotonic_ns()
  };

  [[nodiscard]] std::size_t alive() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(posts_, [](const post& each) { return each.process.has_value(); }));
  }

  // False if the fork was refused; refused_ then holds the reason.
  bool hire(unsigned w) {
    post& at = posts_[w];
    book_.prepare(w);
    at.late = at.dismissed = at.stopped = false;
    at.resumed = 0;
    try {
      at.process.emplace([this, w] { work_(w); });
    } catch (const std::system_error&) {
      refused_ = std::current_exception();
      return false;
    }
    if (at.process->pidfd() < 0) {
      bury(w);
      return true;
    }
    begun_ = true;
    if (settled_ && proc_is_ours()) offer_to_oom_killer(*at.process);
    place_.put(at.process->pid(), w);
    auto& go = book_.of(w).go;
    step("go", moment::before);
    if (go.exchange(1, std::memory_order_acq_rel) == 2) futex_wake(go, 1, futex_scope::shared);
    step("go", moment::after);
    return true;
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
    why_gave_up_ = "no worker could be started any more: " + what_of(refused_);
    return false;
  }

  // No worker is left. Throws if nothing has been done; else halts the map, which returns what is done.
  void give_up() {
    if (book_.finished() == 0 && blamed_.empty()) throw std::runtime_error("parmap: " + why_gave_up_);
    book_.halt(halt_reason::no_worker);
  }

  static std::string what_of(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& why) {
      return why.what();
    }
  }

  // Sleeps until a worker dies, a task's time is over, or progress is to be shown; then handles it.
  void wait_for_news() {
    std::vector<pollfd> fds;
    std::vector<unsigned> whose;
    for (unsigned w = 0; w < posts_.size(); ++w)
      if (posts_[w].process) {
        fds.push_back({posts_[w].process->pidfd(), POLLIN, 0});
        whose.push_back(w);
      }
    const auto limit = std::min({enforce_limits(), meter_.wait(), pass_time(), settle()});
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
    const timespec span{seconds.count(), (limit - seconds).count()};
    language_runtime::current().before_sleep();
    const bool woken = ::ppoll(fds.data(), fds.size(), limit == no_limit ? nullptr : &span, nullptr) >= 0;
    const int error = errno;
    language_runtime::current().after_sleep();
    if (!woken && error != EINTR)
      throw std::system_error(error, std::generic_category(), "parmap: poll for the workers");
    for (std::size_t k = 0; k < fds.size(); ++k)
      if (fds[k].revents != 0) bury(whose[k]);
    const std::uint64_t failed = book_.failures();
    const std::uint64_t finished = std::min(book_.finished() + blamed_.size(), tasks_);
    try {
      meter_.look(now_ticks(), finished - std::min(failed, finished), failed);
    } catch (const stop_now&) {
      stop_workers();
    }
  }

  // Prepares for the out-of-memory killer once the map has lasted a millisecond: a shorter map cannot use up all
  // memory. Returns the time until this is due.
  std::chrono::nanoseconds settle() {
    if (settled_) return no_limit;
    if (const std::uint64_t now = monotonic_ns(), due = begun_at_ + brief; now < due)
      return std::chrono::nanoseconds(due - now);
    settled_ = true;
    oom_kills_ = oom_kills_so_far();
    if (proc_is_ours())
      for (const post& each : posts_)
        if (each.process) offer_to_oom_killer(*each.process);
    return no_limit;
  }

  // Halts the map and kills all workers. Their running tasks count as stopped and are not blamed; see ended_by_stop.
  void stop_workers() noexcept {
    book_.halt(halt_reason::stop_requested);
    for (post& at : posts_) {
      if (!at.process || at.stopped) continue;
      at.stopped = true;
      at.process->kill();
    }
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

  // Kills tasks past their limit. Returns the time until the next one may be late.
  std::chrono::nanoseconds enforce_limits() {
    if (!options_.timeout) return no_limit;
    const auto limit = static_cast<std::uint64_t>(options_.timeout->count());
    const std::uint64_t now = monotonic_ns();
    std::uint64_t next = limit;  // a task that has not begun cannot be late earlier
    for (unsigned w = 0; w < posts_.size(); ++w) {
      post& at = posts_[w];
      if (!at.process || at.late || at.stopped) continue;
      const position seen = unpack_position(book_.of(w).cur.get());
      if (!seen.running) continue;
      const std::uint64_t started = book_.of(w).started.get();
      if (started > at.resumed) at.pardons = 0;  // this is another attempt
      const std::uint64_t began = std::max(at.resumed, started);
      if (began > now && began > monotonic_ns()) throw_overwritten("a task began in the future");
      std::uint64_t spent = now - std::min(now, began);
      // The worker was stopped and continued, as by Ctrl-Z and fg: its task gets its whole limit again. At most
      // most_pardons times, as some batch systems stop and continue processes all the time.
      if (spent >= limit && at.pardons < most_pardons && at.process->was_continued()) {
        ++at.pardons;
        at.resumed = now;
        spent = 0;
      }
      if (spent >= limit) at.late = kill_if_still(w, seen);
      else next = std::min(next, limit - spent);
    }
    return std::chrono::nanoseconds(next);
  }

  // Kills worker w if it is still at `seen`. Stops it first, so that it cannot begin its next task between the check
  // and the kill. Does not lock the ledger, as the stopped worker may hold the lock.
  bool kill_if_still(unsigned w, position seen) {
    const child_process& process = *posts_[w].process;
    process.stop(std::chrono::milliseconds(100));
    if (unpack_position(book_.of(w).cur.get()) != seen) {
      process.resume();
      return false;
    }
    try {
      kill_descendants(process.pid());
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the kill below does not depend on it
      // Descendants that /proc does not show cannot be killed; the worker can.
    }
    process.kill();
    return true;
  }

  // Worker w is dead: reaps it, recovers its claim, blames its task for the death if one was running, and replaces it
  // if there is work.
  void bury(unsigned w) {
    post& at = posts_[w];
    const ending how = at.process->reap();
    at.process.reset();
    const auto said = book_.of(w).farewell_word.get();
    if (said >> 32 == static_cast<std::uint64_t>(farewell::damaged))
      throw_overwritten("a worker met words that cannot be");
    const auto published = [&](round_index task) { return records_.newest(w) == from_ + task; };
    if (const position seen = unpack_position(book_.of(w).cur.get());
        ended_by_stop(at, how) && seen.running && !published(seen.task))
      book_.of(w).give_back(seen.task, seen.attempts);
    const claim_ledger::death what = book_.recover(w, published);
    death_cause cause{how, static_cast<farewell>(said >> 32), static_cast<int>(said & 0xffff'ffff),
                      at.late ? options_.timeout : std::nullopt};
    cause.memory_limit = options_.memory_limit;
    if (what.blamed) {
      note_death_of(from_ + what.task);
      cause.oom_killed = how.how == ending::killed && how.code == SIGKILL && !at.late && oom_killer_struck();
      blamed_.emplace_back(
          failure{from_ + what.task, kind_of(cause), describe(cause), what.attempts, nullptr, status_of(cause)}, 1);
      book_.count_failure();
    }
    book_.halt_at_limit();  // the worker that reached the limit may have died before it halted the map
    const bool left_in_order = !what.in_task && cause.said == farewell::done;
    if (book_.halted() || !book_.anything_unclaimed()) dismiss_the_unborn();
    else if (!at.dismissed && !left_in_order && !dies_idle(what, cause)) replace(w);
  }

  // A task is blamed once at most: one that writes over the range could otherwise be run again, and die, without end.
  void note_death_of(std::uint64_t task) {
    const auto place = std::lower_bound(dead_tasks_.begin(), dead_tasks_.end(), task);
    if (place != dead_tasks_.end() && *place == task) throw_overwritten("a task was run again after its death");
    dead_tasks_.insert(place, task);
  }

  // Whether stop_workers ended the worker, and not its task or a timeout shortly before.
  static bool ended_by_stop(const post& at, const ending& how) noexcept {
    return at.stopped && !at.late && (how.how == ending::unknown || (how.how == ending::killed && how.code == SIGKILL));
  }

  // Whether so many workers have died that no further one is worth starting. Deaths count while no task is finished: on
  // a busy machine workers are often killed during their start.
  bool dies_idle(const claim_ledger::death& what, const death_cause& cause) {
    const std::uint64_t done = book_.finished();
    if (what.in_task || cause.said == farewell::worn || std::exchange(done_at_last_death_, done) != done)
      idle_deaths_ = 0;
    else if (++idle_deaths_ > most_idle_deaths_)
      why_gave_up_ = std::to_string(idle_deaths_) +
                     " worker processes in a row died before they began a task; the last one: " + describe(cause);
    return idle_deaths_ > most_idle_deaths_;
  }

  // Kills the workers that have not begun: nothing is left for them, unless another worker dies. So a start that takes
  // long, or hangs, delays nothing.
  void dismiss_the_unborn() {
    for (unsigned w = 0; w < posts_.size(); ++w)
      if (post& at = posts_[w]; at.process && !at.dismissed) {
        std::uint32_t seen = book_.of(w).go.load(std::memory_order_acquire);
        while (seen != has_begun && !at.dismissed)
          at.dismissed = book_.of(w).go.compare_exchange_weak(seen, is_dismissed, std::memory_order_acq_rel);
        if (at.dismissed) at.process->kill();
      }
  }

  [[nodiscard]] bool oom_killer_struck() {
    const auto before = std::exchange(oom_kills_, oom_kills_so_far());
    return before && oom_kills_ && *oom_kills_ > *before;
  }

  static constexpr std::uint64_t brief = 1'000'000;  // ns
  static constexpr unsigned most_pardons = 10;
  static constexpr std::chrono::nanoseconds shortest_nap = std::chrono::microseconds(500);
  static constexpr std::chrono::nanoseconds longest_nap = std::chrono::milliseconds(50);

  claim_ledger& book_;
  const worker_arenas& records_;
  const options& options_;
  lazy_meter& meter_;
  const core_placement& place_;
  std::uint64_t tasks_;
  unsigned most_idle_deaths_;
  life work_;
  pastime pastime_;
  std::chrono::nanoseconds nap_{shortest_nap};
  std::vector<post> posts_;
  std::uint64_t from_{};
  failure_runs blamed_;
  std::vector<std::uint64_t> dead_tasks_;  // sorted
  std::exception_ptr refused_;
  std::string why_gave_up_;
  bool begun_{};
  std::uint64_t begun_at_{};  // of this round, by monotonic_ns()
  bool settled_{};
  unsigned idle_deaths_{};
  std::uint64_t done_at_last_death_{};
  std::optional<long long> oom_kills_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
