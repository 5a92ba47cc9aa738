// SPDX-License-Identifier: MIT
// time_keeper: the observer behind options::times. It adds up how long the attempts took, and keeps the slowest.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Workers tell it at once, and share no memory but where an attempt is one of the slowest.
class time_keeper final : public attempt_observer {
 public:
  static constexpr std::size_t most_kept = 5;

  // `next` hears everything, too; null: there is none.
  PARMAP_API explicit time_keeper(attempt_observer* next = nullptr);
  PARMAP_API ~time_keeper();

  void begun(const attempt& it) noexcept override {
    if (next_ != nullptr) next_->begun(it);
  }
  void failed(const attempt& it, const failure& why) noexcept override {
    static_cast<void>(add(it));
    if (next_ != nullptr) next_->failed(it, why);
  }
  void ended(const attempt& it, seen_value value, const failure* why) noexcept override {
    static_cast<void>(add(it));
    if (next_ != nullptr) next_->ended(it, value, why);
  }
  PARMAP_API void happened_to(unsigned worker, worker_event what, attempt::clock::time_point when) noexcept override;
  // Returns its entry if it is one of the slowest.
  PARMAP_API task_time* add(const attempt& it) noexcept;
  void note_workers(unsigned workers) noexcept { workers_.store(workers, std::memory_order_relaxed); }

  // What it has heard so far. The inputs of the slowest tasks are empty.
  [[nodiscard]] PARMAP_API map_times times() const;

 private:
  static constexpr std::size_t lanes = 16;

  struct alignas(128) lane {
    std::atomic<std::int64_t> busy{};  // ns
  };

  std::array<lane, lanes> lanes_{};  // of the workers, by their number modulo `lanes`
  attempt_observer* next_;
  attempt::clock::time_point begun_;
  std::atomic<std::int64_t> least_slow_{-1};  // ns: what took no longer is not one of the slowest
  std::atomic<unsigned> workers_{};
  mutable std::mutex mutex_;
  std::vector<task_time> slowest_;  // the slowest first
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/observers/time_keeper.inl.hpp>
#endif
