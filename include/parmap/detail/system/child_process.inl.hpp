// SPDX-License-Identifier: MIT
// The bodies of child_process.hpp.
#pragma once

#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/openmp_threads.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/running_map.hpp>
#include <parmap/detail/system/standard_streams.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Whether the last call failed for want of descriptors or memory.
PARMAP_INLINE bool no_room() noexcept { return errno == EMFILE || errno == ENFILE || errno == ENOMEM; }

PARMAP_INLINE bool pidfds_work() noexcept {
  enum answer { unknown, yes, no };
  static std::atomic<answer> known{unknown};
  if (known.load(std::memory_order_relaxed) != unknown) return known.load(std::memory_order_relaxed) == yes;
  const file_descriptor own(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (own.get() < 0 && no_room()) return true;  // asked again the next time
  siginfo_t info{};
  const bool they_do = own.get() >= 0 &&
                       ::waitid(P_PIDFD, static_cast<id_t>(own.get()), &info, WEXITED | WNOHANG) != 0 &&
                       errno == ECHILD;
  known.store(they_do ? yes : no, std::memory_order_relaxed);
  return they_do;
}

// Tells the language runtime of a fork; its end is told in the parent only.
class runtime_at_fork {
 public:
  runtime_at_fork() noexcept { language_runtime::current().before_fork(); }
  runtime_at_fork(const runtime_at_fork&) = delete;
  runtime_at_fork& operator=(const runtime_at_fork&) = delete;
  ~runtime_at_fork() { language_runtime::current().after_fork(); }
};

PARMAP_INLINE child_process::child_process(const std::function<void()>& body, running_map* of)
    : parent_(::getpid()),
      by_pid_(!pidfds_work()) {
  file_descriptor held_by_child;
  if (int ends[2]; by_pid_) {
    if (::pipe2(ends, O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "parmap: cannot make a pipe to a worker process");
    fd_ = file_descriptor(ends[0]);
    held_by_child = file_descriptor(ends[1]);
  }
  flush_standard_streams();
  end_openmp_threads();
  const runtime_at_fork told;
  int error = 0;
  {
    const running_maps_lock lock;
    step("fork", moment::before);
    if (of == nullptr || of->prepare_fork()) pid_ = ::fork();
    if (pid_ == 0) {
      step("birth", moment::after);
      body();
      ::_exit(127);
    }
    error = errno;
    step("fork", moment::after);
  }
  if (pid_ < 0)
    throw std::system_error(error, std::generic_category(),
                            "parmap: cannot fork a worker process (too many processes: see ulimit -u and the cgroup's "
                            "pids.max; or too little memory)");
  if (!by_pid_) open_pidfd();
}

PARMAP_INLINE child_process::child_process(child_process&& other) noexcept
    : parent_(other.parent_),
      pid_(std::exchange(other.pid_, -1)),
      by_pid_(other.by_pid_),
      fd_(std::move(other.fd_)) {}

PARMAP_INLINE child_process& child_process::operator=(child_process&& other) noexcept {
  std::swap(parent_, other.parent_);
  std::swap(pid_, other.pid_);
  std::swap(by_pid_, other.by_pid_);
  std::swap(fd_, other.fd_);
  return *this;
}

PARMAP_INLINE child_process::~child_process() {
  if (pid_ <= 0 || ::getpid() != parent_) return;
  kill();
  static_cast<void>(reap());
}

PARMAP_INLINE void child_process::kill() noexcept {
  step("kill", moment::before);
  signal(SIGKILL);
  step("kill", moment::after);
}

PARMAP_INLINE void child_process::resume() noexcept {
  step("resume", moment::before);
  signal(SIGCONT);
  step("resume", moment::after);
  static_cast<void>(was_continued());  // drops the notice of our own SIGCONT
}

PARMAP_INLINE int child_process::wait_for(siginfo_t& info, int what) const noexcept {
  info = {};
  return by_pid_ ? ::waitid(P_PID, static_cast<id_t>(pid_), &info, what)
                 : ::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, what);
}

PARMAP_INLINE bool child_process::is_ours() const noexcept {
  siginfo_t info;
  return wait_for(info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

PARMAP_INLINE bool child_process::pidfd_is_readable(int milliseconds) const noexcept {
  pollfd one{fd_.get(), POLLIN, 0};
  return ::poll(&one, 1, milliseconds) > 0 && (one.revents & POLLIN) != 0;
}

PARMAP_INLINE void child_process::forget_pidfd() noexcept {
  by_pid_ = true;
  fd_.release();  // not closed: the number may belong to another file of this program
}

PARMAP_INLINE child_process::life_of child_process::life() noexcept {
  siginfo_t info;
  const int got = wait_for(info, WEXITED | WNOHANG | WNOWAIT);
  if (got == 0 && info.si_pid == 0) return life_of::running;
  if (got == 0 && info.si_pid == pid_) return life_of::ended;
  // ECHILD: it has been reaped, because the caller ignores SIGCHLD or reaps every child.
  if (got != 0 && errno == ECHILD && (by_pid_ || pidfd_is_readable(0))) return life_of::ended;
  forget_pidfd();
  return life_of::lost;
}

PARMAP_INLINE bool child_process::was_continued() const noexcept {
  siginfo_t info;
  return wait_for(info, WCONTINUED | WNOHANG) == 0 && info.si_pid == pid_;
}

PARMAP_INLINE void child_process::ask_to_stop() noexcept {
  step("stop", moment::before);
  signal(SIGSTOP);
  step("stop", moment::after);
}

PARMAP_INLINE bool child_process::wait_for_stop(std::chrono::milliseconds patience) noexcept {
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    siginfo_t info;
    if (wait_for(info, WSTOPPED | WNOHANG) == 0 && info.si_pid == pid_) return true;
    if (life() != life_of::running) return false;
    static_cast<void>(by_pid_ ? ::poll(nullptr, 0, 1) != 0 : pidfd_is_readable(1));
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

PARMAP_INLINE ending child_process::reap() noexcept {
  step("reap", moment::before);
  ending how;
  if (!was_missed()) {
    siginfo_t info;
    int got = 0;
    do got = wait_for(info, WEXITED);
    while (got != 0 && errno == EINTR);
    // ECHILD: the caller ignores SIGCHLD (then waitid has waited all the same), or has reaped the child already.
    if (got == 0) how = {info.si_code == CLD_EXITED ? ending::exited : ending::killed, info.si_status};
    else if (!by_pid_)
      while (!pidfd_is_readable(1000)) {
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
  if (fd < 0 && !no_room()) {            // it is refused since it was asked for first
    by_pid_ = true;
    return;
  }
  if (fd < 0) {
    const std::error_code why(errno, std::generic_category());
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    throw std::system_error(why, "parmap: pidfd_open failed (too many open files? see ulimit -n)");
  }
  fd_ = file_descriptor(fd);
  // If the child has been reaped, its pid may belong to another process by now; that is no child of ours.
  if (!is_ours() && errno == ECHILD) fd_ = file_descriptor();
}

PARMAP_INLINE void child_process::signal(int number) noexcept {
  if (was_missed() || pid_ <= 0) return;
  if (!by_pid_) {
    if (::syscall(SYS_pidfd_send_signal, fd_.get(), number, nullptr, 0) == 0 || errno == ESRCH) return;
    if (errno == EBADF || errno == EINVAL) forget_pidfd();
    // Else a sandbox refused the call.
  }
  if (is_ours()) ::kill(pid_, number);  // safe while the pid belongs to our child
}

}  // namespace parmap::inline PARMAP_ABI::detail
