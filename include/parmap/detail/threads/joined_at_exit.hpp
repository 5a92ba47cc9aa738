// SPDX-License-Identifier: MIT
// joined_at_exit: threads that end before the program does, as valgrind wants it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/fork_generation.hpp>

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Valgrind takes what glibc keeps of a running thread for lost memory when the program ends.
class joined_at_exit {
 public:
  // `ask_to_end` makes the threads return. The object must live until the program ends.
  explicit joined_at_exit(std::function<void()> ask_to_end) : ask_to_end_(std::move(ask_to_end)) {
    at_exit().store(this);
    static const int registered = std::atexit([] { at_exit().load()->end(); });
    static_cast<void>(registered);  // fails only without memory
  }
  joined_at_exit(const joined_at_exit&) = delete;
  joined_at_exit& operator=(const joined_at_exit&) = delete;

  void take(std::thread thread) {
    const std::lock_guard lock(mutex_);
    threads_.push_back(std::move(thread));
  }

 private:
  static std::atomic<joined_at_exit*>& at_exit() noexcept {
    static std::atomic<joined_at_exit*> newest{nullptr};
    return newest;
  }

  // A thread that does not end within a second, because it is in a task, is left alone.
  void end() noexcept {
    if (generation_ != fork_generation()) return;
    ask_to_end_();
    timespec until{};
    static_cast<void>(::clock_gettime(CLOCK_REALTIME, &until));
    ++until.tv_sec;
    const std::lock_guard lock(mutex_);
    for (std::thread& each : threads_)
      if (each.get_id() != std::this_thread::get_id())
        static_cast<void>(::pthread_timedjoin_np(each.native_handle(), nullptr, &until));
  }

  std::uint64_t generation_{fork_generation()};
  std::function<void()> ask_to_end_;
  std::mutex mutex_;
  std::vector<std::thread> threads_;  // never destroyed, as those that are joined here cannot be
};

}  // namespace parmap::inline PARMAP_ABI::detail
