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
           "With `options.retries = 2`: it was begun three times, and this is its last exception.", {.retries = 2}),
      task("Something else", failure::threw, TASK(throw model::diverged{}),
           "Only the type of such an object is known. Numbers (int) and texts are shown."),
      {"An axis that throws",
       "const auto check = [](int i) { return i == 3 ? throw std::runtime_error(\"bad input\") : i; };\n"
       "parmap::map(f, inputs | std::views::transform(check));",
       [] {
         const auto check = [](int i) { return i == 3 ? throw std::runtime_error("bad input") : i; };
         return only_failure(
             parmap::map([](int i) { return i; }, std::views::iota(0, 5) | std::views::transform(check)), 3,
             failure::threw);
       },
       "The code of a lazy view runs inside the task, so its exceptions cost that task alone."},
  };
}

inline std::vector<exhibit> crashed() {
  return {
    task("Segmentation fault", failure::crashed, TASK(volatile int* nowhere = nullptr; *nowhere = 1),
         "The task used memory that is not its own: a null or dangling pointer, an index out of bounds. **Try** the "
         "task alone "
         "under `parmap::serial`: gdb stops at the line; AddressSanitizer also finds what only damages memory. A crash "
         "that does "
         "not come back there may depend on what earlier tasks of that worker left behind."),
        task("Stack overflow", failure::crashed, TASK(i = model::recurse(0)),
             "The same signal for recursion without an end, or a large array on the stack. **Try** `ulimit -s`, or put "
             "arrays into a std::vector."),
        task("Abort", failure::crashed, TASK(std::abort()),
             "abort, assert, glibc's heap checks and the C++ runtime all end here, and say why on stderr."),
        task("An exception out of a noexcept function", failure::crashed, TASK(model::solve()),
             "std::terminate: an exception left a noexcept function, a destructor or a thread. stderr says \"terminate "
             "called after throwing\" and the type. **Try** `catch throw` in gdb."),
        task("Integer division by zero", failure::crashed, TASK(volatile int zero = 0; i = 100 / zero),
             "Integers only: floating point gives inf or nan unless it was asked to trap (feenableexcept)."),
        task("Illegal instruction", failure::crashed, TASK(::raise(SIGILL)),
             "Compilers put such an instruction where code must not arrive, as after a function without its return; "
             "and a "
             "program built with -march=native may meet an older CPU on another machine."),
        task("Bus error", failure::crashed, TASK(*model::vanished_page() = 1),
             "A page of a mapped file that is not there: somebody truncated the file, or the disk (or /dev/shm) is "
             "full."),
        task("Killed", failure::crashed, TASK(::kill(::getpid(), SIGKILL)),
             "Nothing in the program does this by mistake: an administrator or batch system did, or the kernel for "
             "lack of "
             "memory, in a way that could not be recognised. **Try** `dmesg | grep -i kill`, the log of the batch "
             "system, "
             "fewer workers, `options.memory_limit`."),
        task("Terminated", failure::crashed, TASK(::raise(SIGTERM)),
             "Somebody ended this worker only; its replacement went on with the other tasks."),
        task("CPU time limit", failure::crashed, TASK(model::limit(RLIMIT_CPU, 1); for (;;) i = i * 3 % 7),
             "A worker counts the CPU time of all its tasks together."),
        task("File size limit", failure::crashed,
             TASK(model::limit(RLIMIT_FSIZE, 0);
                  static_cast<void>(!::write(::memfd_create("log", 0), "a long line", 11))),
             "The shell or batch system limits how large a file may grow."),
        task("Broken pipe", failure::crashed,
             TASK(int ends[2] = {}; static_cast<void>(!::pipe(ends)); ::close(ends[0]);
                  static_cast<void>(!::write(ends[1], "x", 1))),
             "The program at the other end has ended. **Try** `signal(SIGPIPE, SIG_IGN)` before the map."),
        task("A forbidden system call", failure::crashed, TASK(model::enter_sandbox(); ::getppid()),
             "A sandbox (seccomp) ends whoever makes a call it does not know."),
        task("A timer", failure::crashed, TASK(::raise(SIGALRM)),
             "alarm() or setitimer() of the task or of a library."),
        task("A crash under options.memory_limit", failure::crashed,
             TASK(*static_cast<volatile char*>(std::malloc(std::size_t{1} << 30)) = 1),
             "With `options.memory_limit = 64 << 20`. Code that does not check what malloc gave it dies so.",
             {.memory_limit = 64 << 20}),
        {"A death nobody can explain", "::raise(SIGKILL);  // in a program that called signal(SIGCHLD, SIG_IGN)",
         [] {
           ::signal(SIGCHLD, SIG_IGN);
           const auto f = [](int i) { return i == 3 ? ::raise(SIGKILL) : i; };
           return only_failure(parmap::map(f, std::views::iota(0, 5)), 3, failure::crashed);
         },
         "The caller lets the kernel, or a thread of its own, take the exit status of every child. Nothing but the "
         "cause "
         "is lost."},
  };
}

inline std::vector<exhibit> exited() {
  return {
      task("exit", failure::exited, TASK(std::exit(3)),
           "The worker flushed stdout and left; the caller's atexit handlers did not run. Command-line code, Fortran's "
           "STOP and "
           "some libraries leave so on bad input. **Try** to have it throw instead: then the message says why."),
      task("_exit", failure::exited, TASK(::_exit(5)),
           "The process ended past all handlers. AddressSanitizer and other sanitizers end so after their report."),
      task("exec", failure::exited, TASK(::execl("/bin/false", "false", nullptr)),
           "The worker became another program, and that has ended. **Try** posix_spawn or fork before exec."),
      task("quick_exit", failure::exited, TASK(std::quick_exit(0)), "As exit; its status is not told."),
      task("pthread_exit", failure::exited, TASK(::pthread_exit(nullptr)),
           "A task has to return or throw; its thread is the worker."),
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
       "It ran longer than `options.timeout`, counted from its own start, and was killed with every process it had "
       "started. **Try** a larger limit if it is only slow; if it hangs, run it alone, press Ctrl-C in gdb and look at "
       "`backtrace`. A task that waits for a lock or thread of the caller's hangs under `multi`: neither exists "
       "there."},
      {"Late, under threads", "while (!self.stop_token().stop_requested()) {}  // threads, options.timeout = 50ms",
       [] {
         const auto f = [](parmap::context& self, int i) {
           while (!self.stop_token().stop_requested()) std::this_thread::yield();
           return i;
         };
         return only_failure(parmap::map(parmap::threads, f, std::views::iota(0, 1), {.timeout = 50ms}), 0,
                             failure::timed_out);
       },
       "Threads cannot be killed: the task was asked to stop, and its result is not kept, however it ended. **Try** "
       "`multi`, if it does not look at its stop token."},
  };
}

inline std::vector<exhibit> out_of_memory() {
  return {
    task("A refused allocation", failure::out_of_memory,
         TASK(const std::vector<char> large(std::size_t{1} << 60); i = large[0]),
         "std::bad_alloc. Linux rarely refuses memory: most often the size is wrong (a negative number made unsigned), "
         "else a limit was reached. The worker lives on."),
        task("options.memory_limit", failure::out_of_memory, TASK(for (;;) model::heap().emplace_back(1 << 20)),
             "With `options.memory_limit = 64 << 20`: what this worker may add to what it inherited. It was replaced, "
             "so that "
             "the next task begins with all of it.",
             {.memory_limit = 64 << 20}),
        task("options.memory_limit, in a noexcept function", failure::out_of_memory, TASK(model::fill()),
             "The same, but the std::bad_alloc could not get out.", {.memory_limit = 64 << 20}),
        {"The kernel's out-of-memory killer", "// all memory of the machine, or of its cgroup, was used up",
         [] {
           const parmap::detail::death_cause cause{.how = {parmap::detail::ending::killed, SIGKILL},
                                                   .oom_killed = true};
           return shown(failure{3, kind_of(cause), describe(cause), 1, nullptr});
         },
         "The kernel killed this worker (they offer themselves before the caller) while its count of such kills rose. "
         "The "
         "task it was in may be innocent: another may have taken the memory. **Try** `options.workers`, so that fewer "
         "tasks are in "
         "memory at once, and `options.retries = 1`. (This text is not provoked here.)"},
        {"Results without room", "out.put(megabyte);  // again and again, with an address space of 256 MiB (ulimit -v)",
         [] {
           model::limit(RLIMIT_AS, std::uint64_t{256} << 20);
           return the_failure([](int) { return model::stream(); }, failure::out_of_memory, {.workers = 1});
         },
         "Encoded results (strings, vectors, whatever needs a codec) of one worker have 64 GiB together, less where "
         "the "
         "address space is limited."},
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
       "decode asked for more than encode had put, or for something else. If the codec is right, a task wrote to "
       "memory it does "
       "not own. **Try** a test that encodes and decodes one value, and -fsanitize=address."},
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
       "Tasks 0 and 1 had failed, so 2 to 4 were not begun. What was done is in the results."},
      {"After a stop request", "source.request_stop();  // of options.stop",
       [] {
         std::stop_source source;
         source.request_stop();
         return shown(
             parmap::map([](int i) { return i; }, std::views::iota(0, 5), {.stop = source.get_token()}).failures()[3]);
       },
       "The caller's own doing: somebody who holds the stop source asked for it."},
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
       "Workers had died and no new one could be started for a second. The results so far are kept. **Try** `ulimit "
       "-u`, "
       "and what else the machine runs."},
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
