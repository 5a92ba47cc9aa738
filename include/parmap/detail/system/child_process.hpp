// SPDX-License-Identifier: MIT
// child_process: a child process; fork, watch, stop, kill, reap.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <functional>

namespace parmap::inline PARMAP_ABI::detail {

class running_map;

// How a process ended.
struct ending {
  enum how { unknown, exited, killed } how{unknown};
  int code{};  // exit status or signal
};

// Whether a child can be held by a pidfd (Linux 5.4; some sandboxes refuse it). Else it is known by its pid, and
// watched by asking for its death; the pid is its own until it is reaped, which only this process can do.
[[nodiscard]] bool pidfds_work() noexcept;

// The destructor kills and reaps the child unless reap() has, but only in the process that forked it.
class child_process {
 public:
  // Forks; the child inherits the memory of no running map but `of`, and runs body(), which must not return. Throws
  // std::system_error.
  explicit child_process(const std::function<void()>& body, running_map* of = nullptr);
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // The child had died and was reaped elsewhere before it could be watched.
  [[nodiscard]] bool was_missed() const noexcept { return fd_.get() < 0 && !by_pid_; }
  // Becomes readable (poll) when the child may have died; see life().
  [[nodiscard]] int wakes() const noexcept { return fd_.get(); }
  // Its death may wake nobody: a process that the child has forked may hold the descriptor that would tell of it. Ask
  // for it.
  [[nodiscard]] bool has_to_be_asked() const noexcept { return by_pid_; }

  enum class life_of { running, ended, lost };
  // lost: this process has closed the descriptor by which the child was known (close_range, daemon), or it is another
  // file by now. The child is known by its pid from then on.
  [[nodiscard]] life_of life() noexcept;
  [[nodiscard]] bool has_died() noexcept { return life() == life_of::ended; }

  // Whether the pid still belongs to this child: it is alive, or not yet reaped.
  [[nodiscard]] bool is_ours() const noexcept;
  // No effect on a dead child.
  void kill() noexcept;
  void resume() noexcept;
  // Whether the child has been stopped and continued since the last call.
  [[nodiscard]] bool was_continued() const noexcept;
  // Sends SIGSTOP; see wait_for_stop.
  void ask_to_stop() noexcept;
  // Waits until the child has stopped. False if it has died instead, or does not stop within `patience` (asleep in the
  // kernel).
  bool wait_for_stop(std::chrono::milliseconds patience) noexcept;
  // Waits for the death of the child, which must be certain.
  ending reap() noexcept;

 private:
  void open_pidfd();
  void signal(int number) noexcept;
  [[nodiscard]] int wait_for(siginfo_t& info, int what) const noexcept;
  [[nodiscard]] bool pidfd_is_readable(int milliseconds) const noexcept;
  void forget_pidfd() noexcept;

  pid_t parent_;
  pid_t pid_{-1};
  bool by_pid_{};
  file_descriptor fd_;  // a pidfd; by_pid_: a pipe whose other end the child holds
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/child_process.inl.hpp>
#endif
