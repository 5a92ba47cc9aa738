// SPDX-License-Identifier: MIT
// child_process: a child process held by a pidfd; fork, watch, stop, kill, reap.
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

// Flushes stdout, stderr, std::cout and std::clog. Without this before a fork, both processes would write what is
// buffered.
void flush_standard_streams() noexcept;

// The destructor kills and reaps the child unless reap() has, but only in the process that forked it.
class child_process {
 public:
  // Forks; the child runs body(), which must not return. Throws std::system_error, also if the kernel has no pidfds
  // (before Linux 5.4).
  explicit child_process(const std::function<void()>& body);
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Readable (poll) once the child has died; -1 if it had died before it could be watched.
  [[nodiscard]] int pidfd() const noexcept { return fd_.get(); }

  // No effect on a dead child.
  void kill() const noexcept;
  void resume() const noexcept;
  // Whether the pid still belongs to this child: it is alive, or not yet reaped.
  [[nodiscard]] bool is_ours() const noexcept;
  [[nodiscard]] bool has_died(std::chrono::milliseconds patience = {}) const noexcept;
  // Whether the child has been stopped and continued since the last call.
  [[nodiscard]] bool was_continued() const noexcept;
  // Sends SIGSTOP and waits until the child has stopped. False if it has died instead, or does not stop within
  // `patience` (asleep in the kernel).
  bool stop(std::chrono::milliseconds patience) const noexcept;
  // Waits for the death of the child, which must be certain.
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
