// SPDX-License-Identifier: MIT
// leave_process: how a worker process ends, by itself, by its task, or by an unwinding that would leave it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/exit_reports.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/process_tree.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/standard_streams.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>

namespace parmap::inline PARMAP_ABI::detail {

// Functions of the C library. atexit calls the first, glibc's at_quick_exit the second; the third calls the handlers of
// atexit, the newest first, but unlike exit not the destructors of thread_local objects, which the caller may have
// made.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming, readability-redundant-declaration)
int __cxa_atexit(void (*)(void*), void*, void*) noexcept;
#ifdef __GLIBC__
int __cxa_at_quick_exit(void (*)(void*), void*) noexcept;
void __cxa_finalize(void*);
#endif
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming, readability-redundant-declaration)
}

// Functions that a worker calls once, bound when the program is loaded. With the usual lazy binding each worker would
// look them up again, at about 20 page faults.
struct bound_early {
  static inline int (*volatile prctl)(int, ...) = &::prctl;
  static inline pid_t (*volatile getppid)() = &::getppid;
  static inline int (*volatile at_exit)(void (*)(void*), void*, void*) = &__cxa_atexit;
#ifdef __GLIBC__
  static inline int (*volatile on_exit)(void (*)(int, void*), void*) = &::on_exit;
  static inline int (*volatile at_quick_exit)(void (*)(void*), void*) = &__cxa_at_quick_exit;
  static inline void (*volatile call_exit_handlers)(void*) = &__cxa_finalize;
#endif
  static inline int (*volatile waitid)(idtype_t, id_t, siginfo_t*, int) = &::waitid;
  static inline void (*volatile exit)(int) = &::_exit;
  static inline int (*volatile uncaught_exceptions)() = &std::uncaught_exceptions;
};

// This process as a worker. It is one worker at most, as a worker never returns.
struct worker_identity {
  static inline pid_t pid{-1};
  static inline pid_t caller{-1};
  static inline pid_t origin{-1};  // the process that called map or stream: the caller, or that of the caller
  static inline worker_words* words{nullptr};
  static inline bool memory_limited{false};
  static inline bool calls_exit_handlers{false};  // as it leaves in order

  [[nodiscard]] static bool is_this_process() noexcept { return ::getpid() == pid; }

  // No effect in a child of a task, which does not have the ledger.
  static void say(farewell how, int status) noexcept {
    if (is_this_process()) words->farewell_word.set(pack_farewell(how, status));
  }
};

// In a worker that leaves: what it is doing now, a number of its language runtime.
inline void tell_leaving(int doing) noexcept {
  if (worker_identity::is_this_process())
    worker_identity::say(static_cast<farewell>(worker_identity::words->farewell_word.get() >> 32), doing);
}

// Ends what this worker's tasks have started and not detached, and reaps what is dead.
inline void end_own_descendants() noexcept {
  siginfo_t info{};
  const auto look = [&info](int how) {
    info = {};
    return bound_early::waitid(P_ALL, 0, &info, how | WEXITED | WNOHANG) == 0;
  };
  if (!look(WNOWAIT)) return;  // there are no children, which is all that most workers pay for this
  try {
    static_cast<void>(
        end_descendants(worker_identity::pid, {.sessions = {::getsid(0), ::getsid(worker_identity::caller)}}));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): memory has run out; they live on
  }
  while (look(0) && info.si_pid != 0) {
  }
}

// The last steps of a worker, or of a child that a task has forked and let run on. Does not run what the caller
// registered with atexit.
[[noreturn]] inline void end_process(int status) noexcept {
  if (worker_identity::is_this_process()) {
    end_own_descendants();
    // One that was dismissed has run nothing, and may be killed at any time. LeakSanitizer looks from a child of its
    // own, which nobody would know of then.
    if (worker_identity::words->go.load(std::memory_order_relaxed) != is_dismissed)
      write_exit_reports(worker_identity::origin);
  }
  language_runtime::current().end_worker();
  flush_standard_streams();
  step("end", moment::before);
  bound_early::exit(status);
  std::abort();  // not reached
}

// Ends this process. A worker that has done its work first runs the handlers that its tasks have registered with
// atexit.
[[noreturn]] inline void leave_process(farewell how, int status) noexcept {
  worker_identity::say(how, status);
  if ((how == farewell::done || how == farewell::worn) && worker_identity::is_this_process())
    language_runtime::current().finish_worker();
  if (how == farewell::done && worker_identity::is_this_process() && language_runtime::current().runs_exit_handlers()) {
    worker_identity::calls_exit_handlers = true;
#ifdef __GLIBC__
    bound_early::call_exit_handlers(nullptr);  // the last that it calls is that of leave_at_exit
#else
    std::exit(EXIT_SUCCESS);
#endif
  }
  end_process(status);
}

// From now on exit and quick_exit end this worker, and run only handlers that are registered later. (Handlers run
// newest first.) False if they cannot be registered.
inline bool leave_at_exit() noexcept {
#ifdef __GLIBC__
  return bound_early::at_exit([](void*) { end_process(EXIT_SUCCESS); }, nullptr, nullptr) == 0 &&
         bound_early::on_exit([](int status, void*) { leave_process(farewell::exit, status); }, nullptr) == 0 &&
         bound_early::at_quick_exit([](void*) { leave_process(farewell::quick_exit, EXIT_FAILURE); }, nullptr) == 0;
#else
  // musl has no on_exit, which alone tells the status. A child of a task keeps its own status, and so runs the caller's
  // handlers, too.
  const auto at_exit = [](void*) {
    if (!worker_identity::is_this_process()) return;
    if (worker_identity::calls_exit_handlers) end_process(EXIT_SUCCESS);
    leave_process(farewell::exit_of_unknown_status, EXIT_FAILURE);
  };
  return bound_early::at_exit(at_exit, nullptr, nullptr) == 0 &&
         ::at_quick_exit([] { leave_process(farewell::quick_exit, EXIT_FAILURE); }) == 0;
#endif
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
