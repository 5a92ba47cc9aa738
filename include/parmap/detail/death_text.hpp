// SPDX-License-Identifier: MIT
// What the death of a worker process means to the user: kind, cause, likely reasons.
#pragma once

#include <parmap/detail/ledger.hpp>
#include <parmap/detail/process.hpp>
#include <parmap/detail/text.hpp>
#include <parmap/failure.hpp>

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

namespace parmap::detail {

struct death_cause {
  ending how;
  farewell said{farewell::none};
  int said_status{};
  std::optional<std::chrono::nanoseconds> limit{};  // set if it was killed for running past it
  bool oom_killed{};                                // SIGKILL, and the kernel's out-of-memory killer was at work
  std::optional<std::uint64_t> memory_limit{};      // options::memory_limit
};

inline failure_kind kind_of(const death_cause& cause) noexcept {
  if (cause.limit && cause.how.how != ending::exited) return failure_kind::timed_out;
  if (cause.said == farewell::arena_full || cause.said == farewell::starved || cause.oom_killed)
    return failure_kind::out_of_memory;
  if (cause.said > farewell::done || cause.how.how == ending::exited) return failure_kind::exited;
  return failure_kind::crashed;
}

inline std::string describe_signal(int number) {
  const char* name = ::sigabbrev_np(number);
  const char* text = ::sigdescr_np(number);
  std::string what = name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
  if (text != nullptr) what += std::string(" (") + text + ')';
  switch (number) {
    case SIGSEGV: return what + ": an invalid memory access or a stack overflow";
    case SIGBUS: return what + ": a misaligned or vanished memory page; a full disk or /dev/shm under a mapped file";
    case SIGABRT:
      return what + ": abort, a failed assertion, an exception that left a noexcept function, a damaged heap";
    case SIGFPE: return what + ": an integer division by zero";
    case SIGILL: return what + ": an illegal instruction, or the end of a function that should have returned";
    case SIGKILL: return what + ": killed from outside, often by the kernel when memory runs out (see dmesg)";
    case SIGXCPU: return what + ": RLIMIT_CPU was reached";
    case SIGXFSZ: return what + ": RLIMIT_FSIZE was reached";
    default: return what;
  }
}

inline std::string describe(const death_cause& cause) {
  if (cause.oom_killed)
    return "SIGKILL: by the kernel's out-of-memory killer (see dmesg); run fewer workers, or set options.memory_limit";
  if (cause.said == farewell::starved && cause.how.how == ending::killed)
    return describe_signal(cause.how.code) + "; before, options.memory_limit of " + bytes_text(*cause.memory_limit) +
           " had been reached";
  if (kind_of(cause) == failure_kind::timed_out) return "killed after its limit of " + to_text(*cause.limit);
  switch (cause.said) {
    case farewell::exit: return "the task called exit(" + std::to_string(cause.said_status) + ")";
    case farewell::quick_exit: return "the task called quick_exit";
    case farewell::pthread_exit: return "the task called pthread_exit";
    case farewell::arena_full: return "no room was left in its worker's arena to tell of its failure";
    case farewell::unfit: return "it could not be set up: " + std::generic_category().message(cause.said_status);
    case farewell::none:
    case farewell::done:
    case farewell::worn:
    case farewell::damaged:
    case farewell::starved: break;
  }
  switch (cause.how.how) {
    case ending::exited:
      return "the worker process ended with status " + std::to_string(cause.how.code) + ", as by _exit(" +
             std::to_string(cause.how.code) + ")";
    case ending::killed: return describe_signal(cause.how.code);
    case ending::unknown: break;
  }
  return "its worker process died; how is not known, because this process ignores SIGCHLD or reaps every child";
}

}  // namespace parmap::detail
