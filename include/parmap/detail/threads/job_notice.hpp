// SPDX-License-Identifier: MIT
// One place on the thread pool's board: a job that may be joined, and how many have joined it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/futex.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Something a thread of the pool can take part in. Called by many threads at once.
class job {
 public:
  // Whether there is work for the one who asks, who has joined already; for yet another.
  [[nodiscard]] virtual bool wants_help() const noexcept = 0;
  [[nodiscard]] virtual bool wants_more_help() const noexcept = 0;
  // Takes part until nothing is left to begin.
  virtual void help() noexcept = 0;

 protected:
  ~job() = default;
};

// Owned by the caller from write() to erase(); lives as long as the pool. The word counts those who have joined, below
// three flags. Joining succeeds only while the notice is open, so that after close() the owner knows whom to wait for.
class alignas(64) job_notice {
 public:
  // False if it is taken.
  bool write(job& work, ticks now) noexcept {
    std::uint32_t expected = 0;
    if (word_.load(std::memory_order_relaxed) != 0 ||
        !word_.compare_exchange_strong(expected, taken, std::memory_order_acquire))
      return false;
    work_.store(&work, std::memory_order_relaxed);
    urgent_.store(false, std::memory_order_relaxed);
    since_.store(now, std::memory_order_relaxed);
    word_.store(taken | open_flag);  // sequentially consistent: see thread_pool::announce
    return true;
  }
  void hurry() noexcept { urgent_.store(true, std::memory_order_release); }
  void close() noexcept {
    if (open()) word_.fetch_and(~open_flag, std::memory_order_acq_rel);
  }
  // Closed: whether nobody is taking part any more.
  [[nodiscard]] bool alone() const noexcept { return (word_.load(std::memory_order_acquire) & count) == 0; }
  // Closed: whether all who joined have left, after at most `limit`.
  [[nodiscard]] bool wait(std::chrono::nanoseconds limit) noexcept {
    if (alone()) return true;  // as after most short maps, without a look at the clock
    // A helper's last chunk is usually shorter than going to sleep for it.
    const ticks until = now_ticks() + to_ticks(std::chrono::microseconds(50));
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    while ((seen & count) != 0 && now_ticks() < until) {
      spin_pause();
      seen = word_.load(std::memory_order_acquire);
    }
    if ((seen & count) == 0) return true;
    seen = word_.fetch_or(waited_for, std::memory_order_acq_rel) | waited_for;
    if ((seen & count) != 0) futex_wait(word_, seen, limit);
    return (word_.load(std::memory_order_acquire) & count) == 0;
  }
  void erase() noexcept { word_.store(0, std::memory_order_release); }

  [[nodiscard]] bool open() const noexcept { return (word_.load() & open_flag) != 0; }
  // When it was last written. Whoever cleared thread_pool::watched_ before sees every notice whose writer still found
  // it set.
  [[nodiscard]] ticks since() const noexcept {
    static_cast<void>(word_.load());
    return since_.load(std::memory_order_relaxed);
  }
  // Whether it is open, and either old enough or in a hurry.
  [[nodiscard]] bool ready(ticks now, ticks age) const noexcept {
    if (!open()) return false;
    const ticks written = since();
    return urgent_.load(std::memory_order_acquire) || (written < now && now - written >= age);
  }
  // True: work() stays valid until leave().
  [[nodiscard]] bool join() noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    while ((seen & open_flag) != 0)
      if (word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    return false;
  }
  [[nodiscard]] job& work() const noexcept { return *work_.load(std::memory_order_relaxed); }
  void leave() noexcept {
    const std::uint32_t before = word_.fetch_sub(1, std::memory_order_acq_rel);
    // By now the owner may be gone; the word is not, and a wake too many harms nobody.
    if ((before & waited_for) != 0 && (before & count) == 1) futex_wake(word_, 1);
  }

 private:
  static constexpr std::uint32_t taken = 1U << 31;
  static constexpr std::uint32_t open_flag = 1U << 30;
  static constexpr std::uint32_t waited_for = 1U << 29;
  static constexpr std::uint32_t count = waited_for - 1;

  futex_word word_{0};
  std::atomic<bool> urgent_{false};
  std::atomic<ticks> since_{0};
  std::atomic<job*> work_{nullptr};
};

}  // namespace parmap::inline PARMAP_ABI::detail
