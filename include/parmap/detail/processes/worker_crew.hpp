// SPDX-License-Identifier: MIT
// worker_crew: the worker processes of a map: starts them, sends them home or kills them, and reaps them. What their
// deaths mean the supervisor decides.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/attempt_watch.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/started_processes.hpp>
#include <parmap/detail/processes/worker_watch.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/oom_killer.hpp>
#include <parmap/detail/system/proc_file.hpp>
#include <parmap/detail/system/process_tree.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
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

// In the supervisor's thread. The destructor kills all workers that are left, and ends what their tasks have started;
// also what earlier tasks of killed workers have started.
class worker_crew {
 public:
  // What worker w runs in its process; it must not return.
  using life = std::function<void(unsigned w)>;

  struct post {
    std::optional<child_process> process;
    worker_watch watch;
    bool late{};       // killed because its task ran past the limit
    bool overdue{};    // killed because something else took too long
    bool dismissed{};  // killed before it began, as nothing is left to run
    bool excused{};    // leaves before it begins, for the same reason, as it has to end what it has set up
    bool stopped{};    // killed because the map is to end now
    bool asked{};      // to stop before that

    // Whether end_all ended the worker, and not its task or a timeout shortly before.
    [[nodiscard]] bool ended_by_stop(const ending& how) const noexcept {
      return stopped && !late && (how.how == ending::unknown || (how.how == ending::killed && how.code == SIGKILL));
    }
  };

  worker_crew(shared_layout& shared, const core_placement& place, const cancellation_held_back& held_back, life work)
      : shared_(shared),
        book_(shared.book()),
        place_(place),
        held_back_(held_back),
        work_(std::move(work)),
        posts_(book_.workers()) {}
  worker_crew(const worker_crew&) = delete;
  worker_crew& operator=(const worker_crew&) = delete;
  ~worker_crew() {
    end_all();
    for (post& at : posts_) at.process.reset();
  }

  // Tells an observer of each worker that is born.
  void tell(attempt_watch& observed) noexcept { observed_ = &observed; }
  void begin_round() noexcept { begun_at_ = monotonic_ns(); }

  [[nodiscard]] unsigned posts() const noexcept { return static_cast<unsigned>(posts_.size()); }
  [[nodiscard]] post& at(unsigned w) noexcept { return posts_[w]; }
  [[nodiscard]] std::size_t alive() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(posts_, [](const post& each) { return each.process.has_value(); }));
  }

  [[nodiscard]] bool has_died(unsigned w) { return !posts_[w].process || posts_[w].process->has_died(); }
  // Of the task that has been running for longest; null: none is seen to run.
  [[nodiscard]] const worker_watch* longest_task() const noexcept {
    const worker_watch* longest = nullptr;
    for (const post& at : posts_)
      if (at.process && at.watch.last_seen() == activity::task &&
          (longest == nullptr || at.watch.since() < longest->since()))
        longest = &at.watch;
    return longest;
  }

  // Worker w begins, or the fork was refused, or it has died before it could be watched.
  enum class start { begins, refused, missed };
  start hire(unsigned w) {
    post& at = posts_[w];
    book_.prepare(w);
    at.late = at.overdue = at.dismissed = at.excused = at.stopped = at.asked = false;
    at.watch.begin(monotonic_ns());
    try {
      at.process.emplace([this, w] { work_(w); }, &shared_.running());
    } catch (const std::system_error& why) {
      refused_ = std::current_exception();
      why_refused_ = why.what();
      return start::refused;
    }
    if (at.process->was_missed()) return start::missed;
    begun_ = true;
    if (observed_ != nullptr) observed_->born(w);
    if (settled_ && proc_is_ours()) offer_to_oom_killer(*at.process);
    place_.put(at.process->pid(), w);
    auto& go = book_.of(w).go;
    step("go", moment::before);
    if (go.exchange(1, std::memory_order_acq_rel) == 2) futex_wake(go, 1, futex_scope::shared);
    step("go", moment::after);
    return start::begins;
  }
  // Why a fork was refused last.
  [[nodiscard]] const std::string& why_refused() const noexcept { return why_refused_; }
  // Throws that if no worker has ever begun.
  void throw_if_none_has_begun() const {
    if (alive() == 0 && refused_ && !begun_) std::rethrow_exception(refused_);
  }

  // ---- waiting

  // Adds what wakes when a worker has died. Returns how long may be slept at most.
  [[nodiscard]] std::chrono::nanoseconds watch(std::vector<pollfd>& fds) {
    std::chrono::nanoseconds limit = no_limit;
    watched_.clear();
    for (unsigned w = 0; w < posts_.size(); ++w)
      if (const auto& process = posts_[w].process) {
        fds.push_back({process->wakes(), POLLIN, 0});
        watched_.push_back(w);
        if (process->has_to_be_asked()) limit = asking_period;
      }
    return limit;
  }
  // A thread that is cancelled (pthread_cancel) is unwound from here, and from nowhere else in the supervisor: see
  // cancellation_held_back.
  void sleep(std::vector<pollfd>& fds, std::chrono::nanoseconds limit) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
    const timespec span{seconds.count(), (limit - seconds).count()};
    language_runtime::current().before_sleep();
    int error = 0;
    {
      const cancellation_held_back::allowed here(held_back_);
      if (::ppoll(fds.data(), fds.size(), limit == no_limit ? nullptr : &span, nullptr) < 0) error = errno;
    }
    language_runtime::current().after_sleep();
    if (error != 0 && error != EINTR)
      throw std::system_error(error, std::generic_category(), "parmap: cannot wait for the workers (poll)");
  }
  // Calls bury(w) for each worker that has died. `fds` begin with those of watch().
  template <class Bury>
  void look(const std::vector<pollfd>& fds, const Bury& bury) {
    for (std::size_t k = 0; k < watched_.size(); ++k)
      if (child_process& process = *posts_[watched_[k]].process; fds[k].revents != 0 || process.has_to_be_asked())
        switch (process.life()) {
          case child_process::life_of::ended: bury(watched_[k]); break;
          case child_process::life_of::running: break;
          case child_process::life_of::lost:
            throw std::runtime_error(
                "parmap: this program has closed a file descriptor of a running map (close_range, closefrom, daemon); "
                "its workers were ended");
        }
  }
  static constexpr std::chrono::milliseconds asking_period{10};

  // ---- the end

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

  [[nodiscard]] bool oom_killer_struck() {
    const auto before = std::exchange(oom_kills_, oom_kills_so_far());
    return before && oom_kills_ && *oom_kills_ > *before;
  }

  // Kills all workers, and what their tasks have started.
  void end_all() noexcept {
    const auto each_living = [this](const auto& act) {
      for (post& at : posts_)
        if (at.process && !at.stopped) act(at);
    };
    // One that has not begun has started nothing, and does not begin any more. It is not stopped: it may not yet die
    // with its parent, and if this process were killed now, it would stay stopped for ever.
    each_living([this](post& at) {
      at.asked = !dismiss(static_cast<unsigned>(&at - posts_.data()), false);
      if (at.asked) at.process->ask_to_stop();
    });
    each_living([this](post& at) {
      if (at.asked) {
        at.process->wait_for_stop(patience_for_stop);
        started_.end_those_of(*at.process, 0);
      }
      at.process->kill();
      at.stopped = true;
    });
  }

  // Kills worker w if it is still at what it was last seen at. Stops it first, so that it cannot go on between the
  // check and the kill. Does not lock the ledger, as the stopped worker may hold the lock.
  bool kill_if_as_seen(unsigned w) {
    child_process& process = *posts_[w].process;
    const worker_words& words = book_.of(w);
    process.ask_to_stop();
    process.wait_for_stop(patience_for_stop);
    if (!posts_[w].watch.is_as_seen(words)) {
      process.resume();
      return false;
    }
    const bool in_task = posts_[w].watch.last_seen() == activity::task;
    started_.end_those_of(process, in_task ? start_time(words.started.get()) : started_processes::none_since);
    process.kill();
    if (posts_[w].watch.last_seen() == activity::leaving)
      language_runtime::current().cut_off_worker(static_cast<int>(words.farewell_word.get() & 0xffff'ffff));
    return true;
  }

  // Worker w is dead.
  ending reap(unsigned w) {
    child_process& process = *posts_[w].process;
    const pid_t pid = process.pid();
    const ending how = process.reap();
    posts_[w].process.reset();
    started_.reap_below(pid);
    return how;
  }

  // Kills the workers that have not begun: nothing is left for them, unless another worker dies. So a start that takes
  // long, or hangs, delays nothing. Those of a runtime that has to end what it has set up have the time of leaving.
  void dismiss_the_unborn() {
    const bool gently = language_runtime::current().ends_what_it_begins();
    for (unsigned w = 0; w < posts_.size(); ++w)
      if (post& at = posts_[w]; at.process && !at.dismissed && !at.excused && !at.overdue)
        (gently ? at.excused : at.dismissed) = dismiss(w, !gently);
  }

  // Worker w does not begin any more, unless it has; with `kill` it is dead, else it leaves.
  bool dismiss(unsigned w, bool kill) noexcept {
    std::atomic<std::uint32_t>& go = book_.of(w).go;
    std::uint32_t seen = go.load(std::memory_order_acquire);
    while (seen != has_begun)
      if (go.compare_exchange_weak(seen, is_dismissed, std::memory_order_acq_rel)) {
        if (kill) posts_[w].process->kill();
        return true;
      }
    return false;
  }

 private:
  static constexpr std::uint64_t brief = 1'000'000;  // ns
  static constexpr std::chrono::milliseconds patience_for_stop{100};

  shared_layout& shared_;
  claim_ledger& book_;
  const core_placement& place_;
  const cancellation_held_back& held_back_;
  life work_;
  attempt_watch* observed_{};
  started_processes started_;  // destroyed after the workers
  std::vector<post> posts_;
  std::vector<unsigned> watched_;
  std::exception_ptr refused_;
  std::string why_refused_;
  bool begun_{};
  std::uint64_t begun_at_{};  // of this round, by monotonic_ns()
  bool settled_{};
  std::optional<long long> oom_kills_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
