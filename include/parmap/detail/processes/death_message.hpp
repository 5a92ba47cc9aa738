// SPDX-License-Identifier: MIT
// Describes the death of a worker process to the user: kind, cause, likely reasons, remedies.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/signal_advice.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/failure.hpp>

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

struct death_cause {
  ending how;
  farewell said{farewell::none};
  int said_status{};
  std::optional<std::chrono::nanoseconds> limit{};  // options::timeout, if the worker was killed for it
  bool oom_killed{};                                // SIGKILL, and the kernel's out-of-memory killer struck meanwhile
  std::optional<std::uint64_t> memory_limit{};      // options::memory_limit
  bool other_threads{};                             // the caller has threads besides the one that called map
};

// Whether the task crashed after an allocation had been refused.
inline bool starved(const death_cause& cause) noexcept {
  return cause.memory_limit && cause.said == farewell::starved && cause.how.how == ending::killed;
}

// Whether the kernel's out-of-memory killer ended it. (It may instead have ended another process.)
inline bool killed_for_memory(const death_cause& cause) noexcept {
  return cause.oom_killed && cause.how.how == ending::killed && cause.how.code == SIGKILL;
}

inline failure_kind kind_of(const death_cause& cause) noexcept {
  if (cause.limit && cause.how.how != ending::exited) return failure_kind::timed_out;
  if (cause.said == farewell::arena_full || starved(cause) || killed_for_memory(cause))
    return failure_kind::out_of_memory;
  if (cause.how.how == ending::exited || (cause.said > farewell::done && cause.said != farewell::starved))
    return failure_kind::exited;
  return failure_kind::crashed;
}

// The value of failure::status.
inline int status_of(const death_cause& cause) noexcept {
  if (cause.said == farewell::exit) return cause.said_status & 0xff;  // as a parent sees it
  return cause.how.how == ending::unknown ? 0 : cause.how.code;
}

inline std::string describe_signal(const death_cause& cause) {
  const int number = cause.how.code;
  const auto [name, text] = name_of_signal(number);
  std::string what = name != nullptr ? std::string(name) + " (" + text + ')' : "signal " + std::to_string(number);
  if (killed_for_memory(cause))
    return what + ": the kernel's out-of-memory killer (see dmesg); try fewer options.workers, or set "
                  "options.memory_limit, so that only the tasks fail that take too much";
  if (starved(cause))
    return what + ": options.memory_limit (" + bytes_to_text(*cause.memory_limit) +
           ") had refused an allocation; raise it, or run this task alone in gdb";
  const signal_advice likely = advice_on_signal(number);
  what += std::string(": ") + likely.cause;
  if ((number == SIGSEGV || number == SIGABRT) && cause.memory_limit)
    return what + ", or options.memory_limit (" + bytes_to_text(*cause.memory_limit) +
           ") refused an allocation; raise it, or run this task alone in gdb";
  return what + "; " + likely.remedy;
}

inline std::string describe(const death_cause& cause) {
  if (kind_of(cause) == failure_kind::timed_out)
    return "killed after its limit of " + to_text(*cause.limit) +
           "; raise options.timeout, or run this task alone under parmap::serial and see in gdb where it hangs" +
           (cause.other_threads ? "; the caller has other threads, and a lock that one of them held at the fork stays "
                                  "locked in the worker"
                                : "");
  const std::string in_gdb = "under parmap::serial in gdb, \"break ";
  switch (cause.said) {
    case farewell::exit:
      return "the task called exit(" + std::to_string(cause.said_status) +
             "), or a library did; its reason may be on stderr; " + in_gdb + "exit\" shows where";
    case farewell::exit_of_unknown_status:
      return "the task called exit, or a library did (this C library does not tell the status); its reason may be on "
             "stderr; " +
             in_gdb + "exit\" shows where";
    case farewell::quick_exit: return "the task called quick_exit; " + in_gdb + "quick_exit\" shows where";
    case farewell::pthread_exit:
      return "the task called pthread_exit, or its thread was cancelled; return or throw instead";
    case farewell::arena_full:
      return "its worker's memory for results and messages is full, so the reason of its failure is lost; return less, "
             "or raise the limit of address space (ulimit -v)";
    case farewell::unfit:
      return "it could not be set up: " + std::generic_category().message(cause.said_status) +
             "; does a sandbox forbid prctl, madvise or setrlimit?";
    case farewell::none:
    case farewell::done:
    case farewell::worn:
    case farewell::damaged:
    case farewell::starved: break;
  }
  switch (cause.how.how) {
    case ending::exited: {
      const std::string status = std::to_string(cause.how.code);
      return "its worker exited with status " + status + ": the task called _exit(" + status +
             ") or became another program (exec), or a sanitizer ended it (see stderr); " + in_gdb +
             "_exit\" shows where";
    }
    case ending::killed: return describe_signal(cause);
    case ending::unknown: break;
  }
  return "its worker died, and the cause is unknown, because this process ignores SIGCHLD or reaps every child; try "
         "signal(SIGCHLD, SIG_DFL) before the map";
}

}  // namespace parmap::inline PARMAP_ABI::detail
