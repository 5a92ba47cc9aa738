// SPDX-License-Identifier: MIT
// leave_process: how a worker process ends, by itself, by its task, or by an unwinding that would leave it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>

namespace parmap::inline PARMAP_ABI::detail {

// The function of glibc that at_quick_exit calls.
// NOLINTNEXTLINE(bugprone-reserved-identifier, readability-identifier-naming)
extern "C" int __cxa_at_quick_exit(void (*)(void*), void*) noexcept;

// Functions that a worker calls once, bound when the program is loaded. With the usual lazy binding each worker would
// look them up again, at about 20 page faults.
struct bound_early {
  static inline int (*volatile prctl)(int, ...) = &::prctl;
  static inline pid_t (*volatile getppid)() = &::getppid;
  static inline int (*volatile on_exit)(void (*)(int, void*), void*) = &::on_exit;
  static inline int (*volatile at_quick_exit)(void (*)(void*), void*) = &__cxa_at_quick_exit;
  static inline void (*volatile exit)(int) = &::_exit;
  static inline int (*volatile uncaught_exceptions)() = &std::uncaught_exceptions;
};

// This process as a worker. It is one worker at most, as a worker never returns.
struct worker_identity {
  static inline pid_t pid{-1};
  static inline worker_words* words{nullptr};
  static inline bool memory_limited{false};

  // No effect in a child of a task, which does not have the ledger.
  static void say(farewell how, int status) noexcept {
    if (::getpid() == pid) words->farewell_word.set(pack_farewell(how, status));
  }
};

// Ends a worker, or a child that a task has forked and let run on. Does not run what the caller registered with atexit.
[[noreturn]] inline void leave_process(farewell how, int status) noexcept {
  worker_identity::say(how, status);
  language_runtime::current().end_worker();
  flush_standard_streams();
  step("end", moment::before);
  bound_early::exit(status);
  std::abort();  // not reached
}

// Ends the worker when the forced unwinding of pthread_exit passes this object: it must not reach the caller's frames.
// A catch (...) would instead call std::terminate if the caller was handling an exception at the fork.
class unwinding_watch {
 public:
  unwinding_watch() = default;
  unwinding_watch(const unwinding_watch&) = delete;
  unwinding_watch& operator=(const unwinding_watch&) = delete;
  ~unwinding_watch() {
    if (!over_ && bound_early::uncaught_exceptions() == before_) leave_process(farewell::pthread_exit, EXIT_FAILURE);
  }

  void end() noexcept { over_ = true; }

 private:
  int before_{bound_early::uncaught_exceptions()};
  bool over_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
