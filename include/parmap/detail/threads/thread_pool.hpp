// SPDX-License-Identifier: MIT
// The warm pool of threads: who helps with maps that prove long, and where those are announced.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/signal_mask.hpp>
#include <parmap/detail/system/stay_loaded.hpp>
#include <parmap/detail/threads/job_notice.hpp>

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

// A map is announced by a notice, which costs its caller two atomic operations and wakes nobody. One idle thread is the
// *watch*: it looks at the notices every 50 us while maps are about, ever more rarely (an eighth of the quiet)
// afterwards, and sleeps after 20 ms without one. So a task that runs long is noticed though its caller is inside it,
// and a map that is over in a microsecond pays nothing for it. A thread that begins to help passes the watch on.
class thread_pool {
 public:
  // The pool of this process; its threads live until the process ends and are made when first needed. After a fork the
  // child has an empty one of its own.
  static thread_pool& instance() {
    static std::atomic<thread_pool*> current{nullptr};
    thread_pool* mine = current.load(std::memory_order_acquire);
    if (mine != nullptr && mine->generation_ == fork_generation()) return *mine;
    // Never destroyed: parked threads use it until the very end, also while static objects are torn down.
    auto* fresh = new thread_pool;
    if (!current.compare_exchange_strong(mine, fresh, std::memory_order_acq_rel)) {
      delete fresh;
      return *current.load(std::memory_order_acquire);
    }
    return *fresh;
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  // Keeps a job announced while it lives. After close(), and before the end, waits for those who help.
  class announcement {
   public:
    announcement(thread_pool& who, job& work, unsigned helpers, ticks now)
        : pool_(who),
          notice_(who.announce(work, helpers, now)) {}
    announcement(const announcement&) = delete;
    announcement& operator=(const announcement&) = delete;
    ~announcement() {
      close();
      while (!wait(no_limit)) {
      }
      if (notice_ != nullptr) notice_->erase();
    }

    // The work has proved long enough to pay for a wake.
    void hurry() noexcept {
      if (notice_ == nullptr) return;
      notice_->hurry();
      pool_.summon();
    }
    // Nobody else comes to help.
    void close() noexcept {
      if (notice_ != nullptr) notice_->close();
    }
    [[nodiscard]] bool alone() const noexcept { return notice_ == nullptr || notice_->alone(); }
    // Whether all helpers have left, after at most `limit`.
    [[nodiscard]] bool wait(std::chrono::nanoseconds limit) noexcept {
      return notice_ == nullptr || notice_->wait(limit);
    }

   private:
    thread_pool& pool_;
    job_notice* notice_;
  };

 private:
  static constexpr std::chrono::microseconds grace{25};  // a map younger than this is not worth joining
  static constexpr std::chrono::microseconds watch_period{
      50};  // what a wake costs, so the most that waiting for it may lose
  static constexpr std::chrono::milliseconds watch_ends{20};

  thread_pool() = default;
  ~thread_pool() = default;

  // Null if all notices are taken: then there are more callers than anybody could help.
  job_notice* announce(job& work, unsigned helpers, ticks now) noexcept {
    unsigned most = most_.load(std::memory_order_relaxed);
    while (most < helpers && !most_.compare_exchange_weak(most, helpers, std::memory_order_relaxed)) {
    }
    static thread_local std::size_t last = 0;
    for (std::size_t k = 0; k < notices_.size(); ++k) {
      const std::size_t at = (last + k) % notices_.size();
      if (!notices_[at].write(work, now)) continue;
      last = at;
      // The notice is up (sequentially consistent) before the watch is looked for, and the watch looks once more after
      // it has gone.
      if (!watched_.load()) summon();
      return &notices_[at];
    }
    return nullptr;
  }

  // One more thread looks at the notices: a parked one, or a new one.
  void summon() noexcept {
    calls_.fetch_add(1);
    if (parked_.load() > 0) {
      futex_wake(calls_, 1);
      return;
    }
    unsigned size = size_.load(std::memory_order_relaxed);
    while (size < most_.load(std::memory_order_relaxed)) {
      if (!size_.compare_exchange_weak(size, size + 1, std::memory_order_relaxed)) continue;
      if (!start_thread()) size_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
  }

  // False where the system has no thread to give: then those that exist do the work.
  bool start_thread() noexcept {
    stay_loaded();
    const signals_blocked here;  // the caller's signals are for the caller's threads
    try {
      std::thread([this, outer = outer_signal_mask().value_or(here.before())] {
        outer_signal_mask() = outer;
        serve();
      }).detach();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  [[noreturn]] void serve() noexcept {
    static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL));  // the watch means its 50 us
    ticks idle_since = now_ticks();
    for (;;) {
      const std::uint32_t seen = calls_.load();
      if (help(to_ticks(grace))) {
        idle_since = now_ticks();
      } else if (now_ticks() - idle_since < to_ticks(watch_period)) {
        spin_pause();  // maps often follow each other closely
      } else {
        rest(seen);
      }
    }
  }

  // Joins a map that is at least `age` old or has called for help; false if there is none.
  bool help(ticks age) noexcept {
    const ticks now = now_ticks();
    for (job_notice& at : notices_) {
      if (!at.ready(now, age) || !at.join()) continue;
      job& work = at.work();
      const bool useful = work.wants_help();
      if (useful) {
        if (parked_.load() > 0 || work.wants_more_help()) summon();  // pass on the watch and the word
        const outer_mask_scope as_the_caller;
        work.help();
      }
      at.leave();
      if (useful) return true;
    }
    return false;
  }

  // As the watch, or behind it, until a call or the watch's next look.
  void rest(std::uint32_t seen) noexcept {
    parked_.fetch_add(1);
    if (watched_.exchange(true)) {
      futex_wait(calls_, seen, no_limit);
    } else {
      const auto quiet = since_last_notice();
      if (quiet < watch_ends) futex_wait(calls_, seen, std::max<std::chrono::nanoseconds>(watch_period, quiet / 8));
      watched_.store(false);
      if (since_last_notice() >= watch_ends) futex_wait(calls_, seen, no_limit);
    }
    parked_.fetch_sub(1);
  }

  [[nodiscard]] std::chrono::nanoseconds since_last_notice() const noexcept {
    ticks last = 0;
    for (const job_notice& at : notices_) last = std::max(last, at.since());
    const ticks now = now_ticks();
    const double us = last < now ? static_cast<double>(now - last) / ticks_per_us() : 0;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(us * 1e3));
  }

  std::uint64_t generation_{fork_generation()};
  std::array<job_notice, 64> notices_{};
  alignas(64) futex_word calls_{0};
  std::atomic<unsigned> parked_{0};
  std::atomic<bool> watched_{false};
  std::atomic<unsigned> size_{0};
  std::atomic<unsigned> most_{0};
};

}  // namespace parmap::inline PARMAP_ABI::detail
