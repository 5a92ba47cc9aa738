// SPDX-License-Identifier: MIT
// The faults that tasks of the soak test commit, and the failure that each must cause.
#pragma once

#include <parmap/failure.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <new>
#include <span>
#include <stdexcept>
#include <thread>

namespace soak {

struct fault {
  void (*act)();
  parmap::failure_kind kind;
  const char* message;  // a part of it
};

[[gnu::noinline]] inline int recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0x7fff'ffff ? 0 : recurse(depth + 1) + frame[0];
}

inline void write_nowhere() {
  void* page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

[[noreturn]] inline void hang() {
  for (;;) ::pause();
}
[[noreturn]] inline void spin() {
  for (std::atomic<unsigned> turns{0};; ++turns) {
  }
}
[[noreturn]] inline void hang_deaf() {
  sigset_t all{};
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  hang();
}

// The first three throw. The others need a worker process, as they end the process.
inline constexpr fault all_faults[] = {
    {[] { throw std::runtime_error("thrown"); }, parmap::failure_kind::threw, "std::runtime_error: thrown"},
    {[] { throw 42; }, parmap::failure_kind::threw, "int: 42"},
    {[] { throw std::bad_alloc(); }, parmap::failure_kind::out_of_memory, "bad_alloc"},
    {write_nowhere, parmap::failure_kind::crashed, "SIGSEGV"},
    {[] { std::abort(); }, parmap::failure_kind::crashed, "SIGABRT"},
    {[] { ::raise(SIGFPE); }, parmap::failure_kind::crashed, "SIGFPE"},
    {[] { ::kill(::getpid(), SIGKILL); }, parmap::failure_kind::crashed, "SIGKILL"},
    {[] { ::kill(::getpid(), SIGTERM); }, parmap::failure_kind::crashed, "SIGTERM"},
    {[] { ::_exit(recurse(0)); }, parmap::failure_kind::crashed, "SIGSEGV"},
    {[] { std::exit(0); }, parmap::failure_kind::exited, "exit(0)"},
    {[] { std::exit(3); }, parmap::failure_kind::exited, "exit(3)"},
    {[] { std::thread([] { std::exit(4); }).join(); }, parmap::failure_kind::exited, "exit(4)"},
    {[] { ::_exit(0); }, parmap::failure_kind::exited, "_exit(0)"},
    {[] { ::_exit(5); }, parmap::failure_kind::exited, "_exit(5)"},
    {[] { std::quick_exit(0); }, parmap::failure_kind::exited, "quick_exit"},
    {[] { ::pthread_exit(nullptr); }, parmap::failure_kind::exited, "pthread_exit"},
};
inline constexpr std::span<const fault> faults{all_faults};
inline constexpr std::span<const fault> exceptions = faults.first(3);

// These need a time limit. The text contains the soak test's own.
inline constexpr const char* late_text = "killed after its limit of 3 s";
inline constexpr fault late_faults[] = {
    {hang, parmap::failure_kind::timed_out, late_text},
    {spin, parmap::failure_kind::timed_out, late_text},
    {hang_deaf, parmap::failure_kind::timed_out, late_text},
};

}  // namespace soak
