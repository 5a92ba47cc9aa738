// SPDX-License-Identifier: MIT
// thread_pool: threads that are kept between maps and help with long ones, and the notices that announce maps to them.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/fetch_max.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/detached_thread.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/futex.hpp>
#include <parmap/detail/system/precise_sleep.hpp>
#include <parmap/detail/system/signal_mask.hpp>
#include <parmap/detail/system/stay_loaded.hpp>
#include <parmap/detail/system/valgrind.hpp>
#include <parmap/detail/threads/job_notice.hpp>
#include <parmap/detail/threads/joined_at_exit.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A caller announces its map by a notice, which costs it two atomic operations and wakes no thread. One idle thread is
// the *watch*: it checks the notices every 50 µs while there are maps, less and less often afterwards (at intervals of
// an eighth of the time since the last map), and sleeps after 20 ms without a map. So a long map gets help even while
// its caller is inside a task, and a map of 1 µs pays nothing for it. A thread that begins to help hands the watch
// over.
class thread_pool {
 public:
  // The pool of this process. Its threads are started when first needed and live until the process ends. After a fork
  // the child has its own empty pool.
  static thread_pool& instance() {
    static std::atomic<thread_pool*> current{nullptr};
    thread_pool* mine = current.load(std::memory_order_acquire);
    if (mine != nullptr && mine->generation_ == fork_generation()) return *mine;
    // Never destroyed: parked threads use it until the process ends, even while static objects are destroyed.
    auto* fresh = new thread_pool;
    if (!current.compare_exchange_strong(mine, fresh, std::memory_order_acq_rel)) {
      delete fresh;
      return *current.load(std::memory_order_acquire);
    }
    return *fresh;
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  // From now on threads with a smaller stack help no map: others take their places. In bytes; 0, the default: any.
  void want_stack(std::size_t bytes) noexcept { stack_.store(bytes, std::memory_order_relaxed); }

  // Announces a job for the lifetime of the object. The destructor closes the announcement and waits for the helpers.
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

    // Call when the map is long enough to pay for waking a thread.
    void hurry() noexcept {
      if (notice_ == nullptr) return;
      notice_->hurry();
      pool_.summon();
    }
    // No further thread joins.
    void close() noexcept {
      if (notice_ != nullptr) notice_->close();
    }
    [[nodiscard]] bool alone() const noexcept { return notice_ == nullptr || notice_->alone(); }
    // Waits at most for `limit`; whether all helpers have left.
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
      50};  // as long as a wake takes at most, so waiting loses no more than that
  static constexpr std::chrono::milliseconds watch_ends{20};

  thread_pool() = default;
  ~thread_pool() = default;

  // Null if all notices are in use; the map then gets no help.
  job_notice* announce(job& work, unsigned helpers, ticks now) noexcept {
    fetch_max(most_, helpers);
    static thread_local std::size_t last = 0;
    for (std::size_t k = 0; k < notices_.size(); ++k) {
      const std::size_t at = (last + k) % notices_.size();
      if (!notices_[at].write(work, now)) continue;
      last = at;
      // Writing the notice precedes this load of watched_ (sequentially consistent), and the watch checks the notices
      // once more after it has cleared watched_. So one of the two sees the other.
      if (!watched_.load()) summon();
      return &notices_[at];
    }
    return nullptr;
  }

  // Makes one more thread check the notices: wakes a parked one, or starts a new one.
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

  // False if the system refuses a new thread; then the existing threads do the work.
  bool start_thread() noexcept {
    stay_loaded();
    const signals_blocked here;  // signals of the process are for the caller's threads
    try {
      const std::size_t stack = stack_.load(std::memory_order_relaxed);
      const auto life = [this, stack, outer = outer_signal_mask().value_or(here.before())] {
        outer_signal_mask() = outer;
        serve(stack);
      };
      if (under_valgrind()) start_until_exit(life);
      else start_detached_thread(stack, life);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  void start_until_exit(std::function<void()> life) {
    static joined_at_exit& all = *new joined_at_exit([this] {
      ending_.store(true);
      calls_.fetch_add(1);
      futex_wake(calls_, std::numeric_limits<int>::max());
    });
    all.start(std::move(life));
  }

  void serve(std::size_t stack) noexcept {
    sleep_precisely();
    ticks idle_since = now_ticks();
    for (;;) {
      const std::uint32_t seen = calls_.load();
      if (ending_.load(std::memory_order_relaxed)) return;
      if (stack < stack_.load(std::memory_order_relaxed)) {
        size_.fetch_sub(1, std::memory_order_relaxed);
        return summon();
      }
      if (help(to_ticks(grace))) {
        idle_since = now_ticks();
      } else if (now_ticks() - idle_since < to_ticks(watch_period)) {
        spin_pause();  // maps often follow each other closely
      } else {
        rest(seen);
      }
    }
  }

  // Joins a map that is at least `age` old or urgent, and helps; false if there is none.
  bool help(ticks age) noexcept {
    const ticks now = now_ticks();
    for (job_notice& at : notices_) {
      if (!at.ready(now, age) || !at.join()) continue;
      job& work = at.work();
      const bool useful = work.wants_help();
      if (useful) {
        if (parked_.load() > 0 || work.wants_more_help()) summon();  // another thread becomes the watch, or helps too
        const outer_mask_scope as_the_caller;
        work.help();
      }
      at.leave();
      if (useful) return true;
    }
    return false;
  }

  // Sleeps until a call; the watch only until it is due to check the notices again.
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
  std::atomic<std::size_t> stack_{0};
  std::atomic<bool> ending_{false};  // set under valgrind only
};

}  // namespace parmap::inline PARMAP_ABI::detail
