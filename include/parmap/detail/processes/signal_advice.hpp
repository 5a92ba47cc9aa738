// SPDX-License-Identifier: MIT
// The name of each signal that kills a worker, its likely cause, and what to try: for messages in C++ and in Python.
#pragma once

#include <parmap/detail/config.hpp>

#include <signal.h>

namespace parmap::inline PARMAP_ABI::detail {

struct signal_name {
  const char* name;  // null if it has none, as real-time signals
  const char* text;
};

// The words of glibc's strsignal, which other C libraries do not share.
inline signal_name name_of_signal(int number) noexcept {
  switch (number) {
    case SIGABRT: return {"SIGABRT", "Aborted"};
    case SIGALRM: return {"SIGALRM", "Alarm clock"};
    case SIGBUS: return {"SIGBUS", "Bus error"};
    case SIGCHLD: return {"SIGCHLD", "Child exited"};
    case SIGCONT: return {"SIGCONT", "Continued"};
    case SIGFPE: return {"SIGFPE", "Floating point exception"};
    case SIGHUP: return {"SIGHUP", "Hangup"};
    case SIGILL: return {"SIGILL", "Illegal instruction"};
    case SIGINT: return {"SIGINT", "Interrupt"};
    case SIGKILL: return {"SIGKILL", "Killed"};
    case SIGPIPE: return {"SIGPIPE", "Broken pipe"};
    case SIGPOLL: return {"SIGPOLL", "I/O possible"};
    case SIGPROF: return {"SIGPROF", "Profiling timer expired"};
    case SIGPWR: return {"SIGPWR", "Power failure"};
    case SIGQUIT: return {"SIGQUIT", "Quit"};
    case SIGSEGV: return {"SIGSEGV", "Segmentation fault"};
#ifdef SIGSTKFLT
    case SIGSTKFLT: return {"SIGSTKFLT", "Stack fault"};
#endif
    case SIGSTOP: return {"SIGSTOP", "Stopped (signal)"};
    case SIGSYS: return {"SIGSYS", "Bad system call"};
    case SIGTERM: return {"SIGTERM", "Terminated"};
    case SIGTRAP: return {"SIGTRAP", "Trace/breakpoint trap"};
    case SIGTSTP: return {"SIGTSTP", "Stopped"};
    case SIGTTIN: return {"SIGTTIN", "Stopped (tty input)"};
    case SIGTTOU: return {"SIGTTOU", "Stopped (tty output)"};
    case SIGURG: return {"SIGURG", "Urgent I/O condition"};
    case SIGUSR1: return {"SIGUSR1", "User defined signal 1"};
    case SIGUSR2: return {"SIGUSR2", "User defined signal 2"};
    case SIGVTALRM: return {"SIGVTALRM", "Virtual timer expired"};
    case SIGWINCH: return {"SIGWINCH", "Window changed"};
    case SIGXCPU: return {"SIGXCPU", "CPU time limit exceeded"};
    case SIGXFSZ: return {"SIGXFSZ", "File size limit exceeded"};
    default: return {nullptr, nullptr};
  }
}

struct signal_advice {
  const char* cause;
  const char* remedy;            // in words of the C++ interface
  const char* remedy_in_python;  // in words of the Python package
};

inline signal_advice advice_on_signal(int number) noexcept {
  static constexpr const char* debug = "run this task alone under parmap::serial in gdb";
  static constexpr const char* traceback = "run this task alone with engine='serial' under python -X faulthandler";
  switch (number) {
    case SIGSEGV:
      return {"an invalid memory access or a stack overflow",
              "run this task alone under parmap::serial in gdb, or build with -fsanitize=address", traceback};
    case SIGBUS:
      return {"a mapped file that shrank or whose disk is full (see df), or a misaligned access", debug, traceback};
    case SIGABRT:
      return {"abort, a failed assertion, an uncaught exception or a damaged heap",
              "see stderr, or run this task alone under parmap::serial in gdb",
              "see stderr, or run this task alone with engine='serial' under python -X faulthandler"};
    case SIGFPE:
      return {"an integer division by zero, or INT_MIN / -1", "check this task's input",
              "check this task's input and the extension module that divides"};
    case SIGILL:
      return {"a missing return, or code for another CPU (-march)",
              "build with -fsanitize=undefined, or run this task alone under parmap::serial in gdb",
              "install extension modules that were built for this CPU"};
    case SIGKILL:
      return {"killed from outside: kill -9, a batch system, or memory ran out (see dmesg)",
              "try fewer options.workers, or options.memory_limit", "try a smaller n_worker, or memory_limit"};
    case SIGXCPU:
      return {"RLIMIT_CPU was reached (ulimit -t)", "raise it, or make tasks shorter",
              "raise it, or make tasks shorter"};
    case SIGXFSZ:
      return {"a file grew past RLIMIT_FSIZE (ulimit -f)", "raise it, or write less", "raise it, or write less"};
    case SIGPIPE:
      return {"a write to a pipe or socket whose reader has gone", "ignore SIGPIPE, then the write fails with EPIPE",
              "ignore SIGPIPE, then the write raises BrokenPipeError"};
    case SIGSYS: return {"a system call that a sandbox forbids (seccomp)", debug, traceback};
    case SIGALRM:
      return {"an alarm or timer without a handler", "handle SIGALRM; to limit a task, set options.timeout",
              "handle SIGALRM; to limit a task, set timeout_sec"};
    case SIGTRAP: return {"a trap set by the compiler or a debugger", debug, traceback};
    default:
      return {"sent to this worker alone, by kill, a batch system or the task", "options.retries runs the task again",
              "retries runs the task again"};
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
