// SPDX-License-Identifier: MIT
// job_notice: one entry of the thread pool's list of maps that threads may join, and the number that have joined.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/futex.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Work that threads of the pool can join. Several threads call it at once.
class job {
 public:
  // Whether there is work for the calling thread, which has already joined; and for one more thread.
  [[nodiscard]] virtual bool wants_help() const noexcept = 0;
  [[nodiscard]] virtual bool wants_more_help() const noexcept = 0;
  // Runs tasks until none is left to begin.
  virtual void help() noexcept = 0;

 protected:
  ~job() = default;
};

// Belongs to the caller from write() to erase(); exists as long as the pool. The word holds three flags, and below them
// the number of threads that have joined. Joining succeeds only while the notice is open, so that after close() the
// caller knows how many threads to wait for.
class alignas(64) job_notice {
 public:
  // Publishes the job; false if the notice is in use.
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
  // Once closed: whether no other thread is taking part.
  [[nodiscard]] bool alone() const noexcept { return (word_.load(std::memory_order_acquire) & count) == 0; }
  // Once closed: waits until all threads that joined have left, at most for `limit`; whether they have.
  [[nodiscard]] bool wait(std::chrono::nanoseconds limit) noexcept {
    if (alone()) return true;  // the common case of short maps, without reading the clock
    // A helper's last chunk usually ends sooner than this thread could go to sleep.
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
  // When the notice was last written. A thread that has cleared thread_pool::watched_ sees here every notice whose
  // writer still found watched_ set.
  [[nodiscard]] ticks since() const noexcept {
    static_cast<void>(word_.load());
    return since_.load(std::memory_order_relaxed);
  }
  // Whether it is open, and either at least `age` old or urgent.
  [[nodiscard]] bool ready(ticks now, ticks age) const noexcept {
    if (!open()) return false;
    const ticks written = since();
    return urgent_.load(std::memory_order_acquire) || (written < now && now - written >= age);
  }
  // Joins if the notice is open. If true, work() stays valid until leave().
  [[nodiscard]] bool join() noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    while ((seen & open_flag) != 0)
      if (word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    return false;
  }
  [[nodiscard]] job& work() const noexcept { return *work_.load(std::memory_order_relaxed); }
  void leave() noexcept {
    const std::uint32_t before = word_.fetch_sub(1, std::memory_order_acq_rel);
    // The owner may have returned by now. The word still exists, and a superfluous wake is harmless.
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
