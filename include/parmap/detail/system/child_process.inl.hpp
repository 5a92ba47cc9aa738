// SPDX-License-Identifier: MIT
// The bodies of child_process.hpp.
#pragma once

#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void flush_standard_streams() noexcept {
  // Not fflush(nullptr): that would wait for a thread that is reading stdin, and move the file offset of input streams.
  static_cast<void>(std::fflush(stdout));
  static_cast<void>(std::fflush(stderr));
  try {
    std::cout.flush();
    std::clog.flush();
  } catch (...) {  // NOLINT(bugprone-empty-catch): nothing is lost, the buffer keeps what was not written
    // The caller made its stream throw on failed writes; its own next write throws again.
  }
}

PARMAP_INLINE child_process::child_process(const std::function<void()>& body) : parent_(::getpid()) {
  flush_standard_streams();
  language_runtime::current().before_fork();
  step("fork", moment::before);
  pid_ = ::fork();
  step(pid_ == 0 ? "birth" : "fork", moment::after);
  if (pid_ != 0) {
    const int error = errno;
    language_runtime::current().after_fork();
    errno = error;
  }
  if (pid_ < 0)
    throw std::system_error(errno, std::generic_category(),
                            "parmap: fork of a worker process (too many processes: ulimit -u, a cgroup's pids.max; or "
                            "too little memory)");
  if (pid_ == 0) {
    body();
    ::_exit(127);
  }
  open_pidfd();
}

PARMAP_INLINE child_process::child_process(child_process&& other) noexcept
    : parent_(other.parent_),
      pid_(std::exchange(other.pid_, -1)),
      fd_(std::move(other.fd_)) {}

PARMAP_INLINE child_process& child_process::operator=(child_process&& other) noexcept {
  std::swap(parent_, other.parent_);
  std::swap(pid_, other.pid_);
  std::swap(fd_, other.fd_);
  return *this;
}

PARMAP_INLINE child_process::~child_process() {
  if (pid_ <= 0 || ::getpid() != parent_) return;
  kill();
  static_cast<void>(reap());
}

PARMAP_INLINE void child_process::kill() const noexcept {
  step("kill", moment::before);
  signal(SIGKILL);
  step("kill", moment::after);
}

PARMAP_INLINE void child_process::resume() const noexcept {
  step("resume", moment::before);
  signal(SIGCONT);
  step("resume", moment::after);
  static_cast<void>(was_continued());  // drops the notice of our own SIGCONT
}

PARMAP_INLINE bool child_process::is_ours() const noexcept {
  siginfo_t info{};
  return ::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

PARMAP_INLINE bool child_process::has_died(std::chrono::milliseconds patience) const noexcept {
  pollfd one{fd_.get(), POLLIN, 0};
  return ::poll(&one, 1, static_cast<int>(patience.count())) > 0;
}

PARMAP_INLINE bool child_process::was_continued() const noexcept {
  siginfo_t info{};
  return ::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, WCONTINUED | WNOHANG) == 0 && info.si_pid != 0;
}

PARMAP_INLINE bool child_process::stop(std::chrono::milliseconds patience) const noexcept {
  step("stop", moment::before);
  signal(SIGSTOP);
  step("stop", moment::after);
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0)
      return true;
    if (has_died(std::chrono::milliseconds(1))) return false;
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

PARMAP_INLINE ending child_process::reap() noexcept {
  step("reap", moment::before);
  ending how;
  if (fd_.get() >= 0) {
    siginfo_t info{};
    int got = 0;
    do got = ::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, WEXITED);
    while (got != 0 && errno == EINTR);
    // ECHILD: the caller ignores SIGCHLD (then waitid has waited all the same), or has reaped the child already.
    if (got == 0) how = {info.si_code == CLD_EXITED ? ending::exited : ending::killed, info.si_status};
    else
      while (!has_died(std::chrono::milliseconds(1000))) {
      }
  }
  pid_ = -1;
  fd_ = file_descriptor();
  step("reap", moment::after);
  return how;
}

PARMAP_INLINE void child_process::open_pidfd() {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  step("pidfd", moment::after);
  if (fd < 0 && errno == ESRCH) return;  // the child has died and was reaped elsewhere
  if (fd < 0) {
    const std::error_code why(errno, std::generic_category());
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    throw std::system_error(why, "parmap: pidfd_open (needs Linux 5.4, and to be allowed by the sandbox)");
  }
  fd_ = file_descriptor(fd);
  // If the child has been reaped, its pid may belong to another process by now; that is no child of ours.
  if (!is_ours() && errno == ECHILD) fd_ = file_descriptor();
}

PARMAP_INLINE void child_process::signal(int number) const noexcept {
  if (fd_.get() < 0 || ::syscall(SYS_pidfd_send_signal, fd_.get(), number, nullptr, 0) == 0 || errno == ESRCH) return;
  // A sandbox refused the call. kill is safe while the pid belongs to our child.
  if (is_ours()) ::kill(pid_, number);
}

}  // namespace parmap::inline PARMAP_ABI::detail
