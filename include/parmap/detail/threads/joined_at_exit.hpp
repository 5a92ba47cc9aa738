// SPDX-License-Identifier: MIT
// joined_at_exit: threads that end before the program does, as valgrind wants it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/fork_generation.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

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

  // Throws std::system_error, std::bad_alloc.
  void start(std::function<void()> body) {
    const std::scoped_lock lock(mutex_);
    started& mine = threads_.emplace_back();
    try {
      mine.thread = std::thread([this, &mine, body = std::move(body)] {
        body();
        {
          const std::scoped_lock at_end(mutex_);
          mine.has_ended = true;
        }
        one_has_ended_.notify_all();
      });
    } catch (...) {
      threads_.pop_back();
      throw;
    }
  }

 private:
  struct started {
    std::thread thread{};
    bool has_ended{};
  };

  static std::atomic<joined_at_exit*>& at_exit() noexcept {
    static std::atomic<joined_at_exit*> newest{nullptr};
    return newest;
  }

  // A thread that does not end within a second, because it is in a task, is left alone.
  void end() noexcept {
    if (generation_ != fork_generation()) return;
    ask_to_end_();
    std::unique_lock lock(mutex_);
    one_has_ended_.wait_for(lock, std::chrono::seconds(1), [this] {
      return std::ranges::all_of(threads_, [](const started& each) {
        return each.has_ended || each.thread.get_id() == std::this_thread::get_id();
      });
    });
    for (started& each : threads_)
      if (each.has_ended && each.thread.joinable()) each.thread.join();
  }

  std::uint64_t generation_{fork_generation()};
  std::function<void()> ask_to_end_;
  std::mutex mutex_;  // of the others
  std::condition_variable one_has_ended_;
  std::list<started> threads_;  // never destroyed, as those that run still cannot be
};

}  // namespace parmap::inline PARMAP_ABI::detail
