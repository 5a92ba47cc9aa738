// SPDX-License-Identifier: MIT
// A child process held by a pidfd: fork, watch, stop, kill, reap.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <sys/types.h>

#include <chrono>
#include <functional>

namespace parmap::inline PARMAP_ABI::detail {

// How a process ended.
struct ending {
  enum how { unknown, exited, killed } how{unknown};
  int code{};  // exit status or signal
};

// What is buffered would come out twice: once from each side of a fork.
void flush_standard_streams() noexcept;

// Unless released by reap(), the child is killed and reaped with this object; in the process that made it only.
class child_process {
 public:
  // Forks; the child runs body(), which must not return. Throws std::system_error, also where the kernel has no
  // pidfds (Linux 5.4).
  explicit child_process(const std::function<void()>& body);
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Readable (poll) once it has died; -1 if it had died before it could be watched.
  [[nodiscard]] int pidfd() const noexcept { return fd_.get(); }

  // No effect on a dead one.
  void kill() const noexcept;
  void resume() const noexcept;
  // Whether its number is still its own: it lives, or has not been reaped yet.
  [[nodiscard]] bool is_ours() const noexcept;
  [[nodiscard]] bool has_died(std::chrono::milliseconds patience = {}) const noexcept;
  // Whether it has been stopped and continued since this was last asked.
  [[nodiscard]] bool was_continued() const noexcept;
  // Sends SIGSTOP and waits until it has stopped. False if it has died instead, or does not stop within `patience`
  // (asleep in the kernel).
  bool stop(std::chrono::milliseconds patience) const noexcept;
  // Waits for its death, which must be certain.
  ending reap() noexcept;

 private:
  void open_pidfd();
  void signal(int number) const noexcept;

  pid_t parent_;
  pid_t pid_{-1};
  file_descriptor fd_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/child_process.inl.hpp>
#endif
