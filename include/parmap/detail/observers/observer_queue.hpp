// SPDX-License-Identifier: MIT
// observer_queue: passes what it hears on to another observer in a thread of its own, so that an observer that takes
// long, such as one that writes to a disk, holds no task and no supervisor up.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/failure.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace parmap::inline PARMAP_ABI::detail {

// In the order in which it hears. Once `bound` events wait, whoever tells it waits, too: memory does not grow without
// end. `to` must outlive it. If there is no memory for an event, the event is lost, and lost() counts it.
class observer_queue final : public attempt_observer {
 public:
  static constexpr std::size_t usual_bound = 1 << 16;

  explicit observer_queue(attempt_observer& to, std::size_t bound = usual_bound);
  // Passes on what waits.
  ~observer_queue();

  void begun(const attempt& it) noexcept override;
  void failed(const attempt& it, const failure& why) noexcept override;
  void ended(const attempt& it, seen_value value, const failure* why) noexcept override;
  void happened_to(unsigned worker, worker_event what, attempt::clock::time_point when) noexcept override;

  // Waits until everything has been passed on. Call it before the values are gone.
  void drain() noexcept;
  // The number of events for which there was no memory.
  [[nodiscard]] std::uint64_t lost() const noexcept;

 private:
  enum class kind { begun, failed, ended, worker };
  struct event {
    kind what{};
    attempt it{};  // of a worker's event: its number, and when
    worker_event happened{};
    seen_value value{};
    std::optional<failure> why{};
  };

  void push(event&& it) noexcept;
  void pass_on(const event& it) noexcept;
  void serve() noexcept;

  attempt_observer& to_;
  std::size_t bound_;
  mutable std::mutex mutex_;
  std::condition_variable news_;   // an event waits, or the end
  std::condition_variable taken_;  // there is room, or nothing waits
  std::deque<event> waiting_;
  bool busy_{};  // the thread passes an event on
  bool over_{};
  std::uint64_t lost_{};
  std::thread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/observers/observer_queue.inl.hpp>
#endif
