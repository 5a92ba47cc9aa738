// SPDX-License-Identifier: MIT
// The part of docs/failures.md about the failures of single tasks.
#pragma once

#include "failures_page_writer.hpp"

#include <parmap/detail/processes/death_message.hpp>
#include <parmap/parmap.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <new>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// What the tasks below use. The names are chosen for the reader of the page.
namespace model {

struct diverged {};
inline void check_heat() { throw std::runtime_error("no convergence"); }
inline void solve() noexcept { check_heat(); }
[[gnu::noinline]] inline int recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0x7fff'ffff ? 0 : recurse(depth + 1) + frame[0];
}
// A mapped page of a file that was truncated after it was mapped.
inline volatile char* vanished_page() {
  const int file = ::memfd_create("vanished", MFD_CLOEXEC);
  static_cast<void>(!::ftruncate(file, 4096));
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  static_cast<void>(!::ftruncate(file, 0));
  return static_cast<volatile char*>(page);
}
inline void limit(__rlimit_resource what, std::uint64_t soft) {
  const rlimit both{soft, soft + 1};
  ::setrlimit(what, &both);
}
inline std::vector<std::vector<char>>& heap() {
  static std::vector<std::vector<char>> all;
  return all;
}
inline void fill() noexcept {
  for (;;) heap().emplace_back(1 << 20);
}
// Installs a seccomp filter that kills the process at getppid.
inline void enter_sandbox() {
  sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

// Results whose codecs misbehave.
struct mesh {};
struct field {};
struct table {};
struct stream {};

}  // namespace model

template <>
struct parmap::codec<model::mesh> {
  static void encode(encoder&, const model::mesh&) { throw std::runtime_error("a mesh that is not closed"); }
  static model::mesh decode(decoder&) { return {}; }
};
template <>
struct parmap::codec<model::field> {
  static void encode(encoder&, const model::field&) {}
  static model::field decode(decoder&) { throw std::runtime_error("a field of version 0"); }
};
template <>
struct parmap::codec<model::table> {
  static void encode(encoder&, const model::table&) {}
  static model::table decode(decoder& in) {
    static_cast<void>(in.get<int>());
    return {};
  }
};
template <>
struct parmap::codec<model::stream> {
  static void encode(encoder& out, const model::stream&) {
    for (const std::string megabyte(1 << 20, 'x');;) out.put(megabyte);
  }
  static model::stream decode(decoder&) { return {}; }
};

namespace failures_page {

using parmap::failure;
using namespace std::chrono_literals;

// The only failure of a map with one task.
inline std::string the_failure(auto f, parmap::failure_kind kind, parmap::options chosen = {}) {
  return only_failure(parmap::map(f, std::views::iota(0, 1), std::move(chosen)), 0, kind);
}

inline std::vector<exhibit> threw() {
  return {
      task("An exception", failure::threw, TASK(throw std::runtime_error("no convergence after 100 steps")),
           "The type and what() of the exception that left f. **Try** `failure::rethrow()`, which under `threads` "
           "throws "
           "the original; or `catch throw` in gdb, with the task alone under `parmap::serial`."),
      task("An exception, also after retries", failure::threw,
           TASK(throw std::runtime_error("no convergence after 100 steps")),
           "With `options.retries = 2`: the task ran three times. This is its last exception.", {.retries = 2}),
      task("Something else", failure::threw, TASK(throw model::diverged{}),
           "parmap knows only the type of such an object. It shows the value of an int or of a string."),
      {"An axis that throws",
       "const auto check = [](int i) { return i == 3 ? throw std::runtime_error(\"bad input\") : i; };\n"
       "parmap::map(f, inputs | std::views::transform(check));",
       [] {
         const auto check = [](int i) { return i == 3 ? throw std::runtime_error("bad input") : i; };
         return only_failure(
             parmap::map([](int i) { return i; }, std::views::iota(0, 5) | std::views::transform(check)), 3,
             failure::threw);
       },
       "The code of a lazy view runs inside the task, so its exception fails only that task."},
  };
}

inline std::vector<exhibit> crashed() {
  return {
    task("Segmentation fault", failure::crashed, TASK(volatile int* nowhere = nullptr; *nowhere = 1),
         "The task used memory that it does not own: a null or dangling pointer, or an index out of bounds. **Try** to "
         "run the task alone under `parmap::serial` in gdb, which stops at the line. AddressSanitizer also finds code "
         "that damages memory without a crash. If the task does not crash there, the cause may be what earlier tasks "
         "of that worker left in memory."),
        task("Stack overflow", failure::crashed, TASK(i = model::recurse(0)),
             "Endless recursion or a large array on the stack raises the same signal. **Try** a larger `ulimit -s`, or "
             "put arrays into a std::vector."),
        task("Abort", failure::crashed, TASK(std::abort()),
             "abort, assert, glibc's heap checks and the C++ runtime raise this signal. All but abort say why on "
             "stderr."),
        task("An exception out of a noexcept function", failure::crashed, TASK(model::solve()),
             "std::terminate: an exception left a noexcept function, a destructor or a thread. stderr says \"terminate "
             "called after throwing\" and the type. **Try** `catch throw` in gdb."),
        task("Integer division by zero", failure::crashed, TASK(volatile int zero = 0; i = 100 / zero),
             "Only integers: a floating-point division gives inf or nan, unless feenableexcept turned traps on."),
        task("Illegal instruction", failure::crashed, TASK(::raise(SIGILL)),
             "Compilers put such an instruction where the program must never arrive, for example at the end of a "
             "function without a return. A program built with -march=native may also run on an older CPU of another "
             "machine."),
        task("Bus error", failure::crashed, TASK(*model::vanished_page() = 1),
             "The task used a page of a mapped file that does not exist: somebody truncated the file, or the disk (or "
             "/dev/shm) is full."),
        task("Killed", failure::crashed, TASK(::kill(::getpid(), SIGKILL)),
             "Programs do not send this signal by mistake. An administrator or a batch system sent it, or the kernel "
             "because memory ran out, and parmap could not recognise that. **Try** `dmesg | grep -i kill`, the log of "
             "the batch system, fewer workers, or `options.memory_limit`."),
        task("Terminated", failure::crashed, TASK(::raise(SIGTERM)),
             "Somebody killed only this worker. Its replacement continued with the other tasks."),
        task("CPU time limit", failure::crashed, TASK(model::limit(RLIMIT_CPU, 1); for (;;) i = i * 3 % 7),
             "The limit applies to the CPU time of all tasks of a worker together."),
        task("File size limit", failure::crashed,
             TASK(model::limit(RLIMIT_FSIZE, 0);
                  static_cast<void>(!::write(::memfd_create("log", 0), "a long line", 11))),
             "The shell or batch system limits how large a file may grow."),
        task("Broken pipe", failure::crashed,
             TASK(int ends[2] = {}; static_cast<void>(!::pipe(ends)); ::close(ends[0]);
                  static_cast<void>(!::write(ends[1], "x", 1))),
             "The program at the other end has ended. **Try** `signal(SIGPIPE, SIG_IGN)` before the map."),
        task("A forbidden system call", failure::crashed, TASK(model::enter_sandbox(); ::getppid()),
             "A sandbox (seccomp) kills a process that makes a system call which it does not permit."),
        task("A timer", failure::crashed, TASK(::raise(SIGALRM)),
             "The task or a library called alarm() or setitimer(), and nothing handles the signal."),
        task("A crash under options.memory_limit", failure::crashed,
             TASK(*static_cast<volatile char*>(std::malloc(std::size_t{1} << 30)) = 1),
             "With `options.memory_limit = 64 << 20`. Code that does not check the result of malloc crashes like this.",
             {.memory_limit = 64 << 20}),
        {"A death of unknown cause", "::raise(SIGKILL);  // in a program that called signal(SIGCHLD, SIG_IGN)",
         [] {
           ::signal(SIGCHLD, SIG_IGN);
           const auto f = [](int i) { return i == 3 ? ::raise(SIGKILL) : i; };
           return only_failure(parmap::map(f, std::views::iota(0, 5)), 3, failure::crashed);
         },
         "The kernel, or a thread of the caller, took the exit status of every child. Only the cause of the death is "
         "lost."},
  };
}

inline std::vector<exhibit> exited() {
  return {
      task("exit", failure::exited, TASK(std::exit(3)),
           "The worker flushed stdout and ended; the caller's atexit handlers did not run. Command-line code, "
           "Fortran's STOP and some libraries exit on bad input. **Try** to make the code throw instead: then the "
           "message says why."),
      task("_exit", failure::exited, TASK(::_exit(5)),
           "The process ended without running any handlers. AddressSanitizer and other sanitizers also end a process "
           "this way, after their report."),
      task("exec", failure::exited, TASK(::execl("/bin/false", "false", nullptr)),
           "The worker became another program, and that program ended. **Try** posix_spawn, or fork before exec."),
      task("quick_exit", failure::exited, TASK(std::quick_exit(0)), "Like exit, but parmap does not know the status."),
      task("pthread_exit", failure::exited, TASK(::pthread_exit(nullptr)),
           "A task must return or throw, because its thread is the thread of the worker."),
  };
}

inline std::vector<exhibit> timed_out() {
  return {
      {"Killed at its limit", "for (;;) ::pause();  // with options.timeout = 200ms",
       [] {
         const auto f = [](int i) {
           for (;;) ::pause();
           return i;
         };
         return the_failure(f, failure::timed_out, {.timeout = 200ms});
       },
       "The task ran longer than `options.timeout`, counted from its own start. parmap killed it and every process "
       "that it had started. **Try** a larger limit if the task is only slow. If it hangs, run it alone, press Ctrl-C "
       "in gdb and look at `backtrace`. Under `multi` a task that waits for another thread of the caller, or for a "
       "lock that such a thread holds, hangs: that thread does not exist in the worker."},
      {"Late, under threads", "while (!self.stop_token().stop_requested()) {}  // threads, options.timeout = 50ms",
       [] {
         const auto f = [](parmap::context& self, int i) {
           while (!self.stop_token().stop_requested()) std::this_thread::yield();
           return i;
         };
         return only_failure(parmap::map(parmap::threads, f, std::views::iota(0, 1), {.timeout = 50ms}), 0,
                             failure::timed_out);
       },
       "Threads cannot be killed. parmap asked the task to stop and then discarded its result. **Try** `multi` if the "
       "task does not check its stop token."},
  };
}

inline std::vector<exhibit> out_of_memory() {
  return {
    task("A refused allocation", failure::out_of_memory,
         TASK(const std::vector<char> large(std::size_t{1} << 60); i = large[0]),
         "std::bad_alloc. Linux rarely refuses memory. Most often the size is wrong (a negative number converted to an "
         "unsigned one); otherwise a limit was reached. The worker continues."),
        task("options.memory_limit", failure::out_of_memory, TASK(for (;;) model::heap().emplace_back(1 << 20)),
             "With `options.memory_limit = 64 << 20`, the memory that a worker may add to what it inherited. parmap "
             "replaced the worker, so that the next task can use the whole limit.",
             {.memory_limit = 64 << 20}),
        task("options.memory_limit, in a noexcept function", failure::out_of_memory, TASK(model::fill()),
             "The same, but the std::bad_alloc could not leave the function.", {.memory_limit = 64 << 20}),
        {"The kernel's out-of-memory killer", "// all memory of the machine, or of its cgroup, was used up",
         [] {
           const parmap::detail::death_cause cause{.how = {parmap::detail::ending::killed, SIGKILL},
                                                   .oom_killed = true};
           return shown(failure{3, kind_of(cause), describe(cause), 1, nullptr});
         },
         "The worker was killed, and the kernel's count of such kills rose. (The kernel kills workers before the "
         "caller.) Another task may have taken the memory. **Try** `options.workers`, so that fewer tasks are in "
         "memory at once, and `options.retries = 1`. (The program that makes this page does not cause this failure.)"},
        {"No memory for results in a worker",
         "out.put(megabyte);  // again and again, with an address space of 256 MiB (ulimit -v)",
         [] {
           model::limit(RLIMIT_AS, std::uint64_t{256} << 20);
           return the_failure([](int) { return model::stream(); }, failure::out_of_memory, {.workers = 1});
         },
         "The encoded results of one worker (strings, vectors, all types that need a codec) can take 64 GiB together, "
         "or less if the address space is limited."},
  };
}

inline std::vector<exhibit> unencodable() {
  return {
      {"encode throws",
       "static void encode(parmap::encoder& out, const mesh& it) { throw std::runtime_error(\"a mesh that is not "
       "closed\"); }",
       [] { return the_failure([](int) { return model::mesh(); }, failure::unencodable); },
       "The task returned, and `codec<mesh>::encode` threw in the worker."},
      {"decode throws",
       "static field decode(parmap::decoder& in) { throw std::runtime_error(\"a field of version 0\"); }",
       [] { return the_failure([](int) { return model::field(); }, failure::unencodable); },
       "`codec<field>::decode` threw in the caller's process."},
      {"The bytes are wrong",
       "static table decode(parmap::decoder& in) { return table(in.get<int>()); }  // encode put nothing",
       [] { return the_failure([](int) { return model::table(); }, failure::unencodable); },
       "decode asked for more than encode had written, or for something else. If the codec is right, a task wrote to "
       "memory that it does not own. **Try** a test that encodes and decodes one value, and -fsanitize=address."},
  };
}

// A global, because a pthread_atfork handler takes no argument.
inline std::atomic<int> forks_allowed{-1};

inline std::vector<exhibit> stopped() {
  return {
      {"After max_failures", "throw std::runtime_error(\"no\");  // every task, with options.max_failures = 2",
       [] {
         const auto f = [](int) -> int { throw std::runtime_error("no"); };
         const auto all = parmap::map(f, std::views::iota(0, 5), {.max_failures = 2, .workers = 1});
         require(all.failures().size() == 5, "not five failures");
         return shown(all.failures()[2]);
       },
       "Tasks 0 and 1 had failed, so tasks 2 to 4 did not begin. The results contain what was done before."},
      {"After a deadline", "std::this_thread::sleep_for(1h);  // every task, with options.deadline = 100ms",
       [] {
         const auto f = [](int) { return static_cast<int>(::sleep(3600)); };
         return shown(parmap::map(f, std::views::iota(0, 5), {.deadline = std::chrono::milliseconds(100), .workers = 1})
                          .failures()[2]);
       },
       "The time for the whole map was over, so the task did not begin, or did not end within the grace (a tenth of "
       "the "
       "deadline, at most 30 s). The results contain what was done before."},
      {"After a stop request", "source.request_stop();  // of options.stop",
       [] {
         std::stop_source source;
         source.request_stop();
         return shown(
             parmap::map([](int i) { return i; }, std::views::iota(0, 5), {.stop = source.get_token()}).failures()[3]);
       },
       "Your program requested the stop, by the stop source of `options.stop`."},
      {"No worker left", "::_exit(1);  // task 2, in the only worker, and then no fork is allowed any more",
       [] {
         ::pthread_atfork(
             [] {
               if (forks_allowed >= 0 && forks_allowed-- == 0)
                 refuse({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}, EAGAIN);
             },
             nullptr, nullptr);
         forks_allowed = 1;
         const auto f = [](int i) {
           if (i == 2) ::_exit(1);
           return i;
         };
         const auto all = parmap::map(f, std::views::iota(0, 5), {.workers = 1});
         require(all.failures().size() == 3, "not three failures");
         return shown(all.failures()[1]);
       },
       "Workers had died, and for a second no new one could be started. You keep the results so far. **Try** `ulimit "
       "-u`, and look at what else the machine runs."},
  };
}

inline std::vector<std::pair<const char*, std::vector<exhibit>>> failures() {
  return {{"threw", threw()},
          {"crashed", crashed()},
          {"exited", exited()},
          {"timed_out", timed_out()},
          {"out_of_memory", out_of_memory()},
          {"unencodable", unencodable()},
          {"stopped", stopped()}};
}

}  // namespace failures_page
