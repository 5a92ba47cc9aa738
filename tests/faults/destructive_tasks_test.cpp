// SPDX-License-Identifier: MIT
// Engine multi: a task that damages its own process fails alone.
#include "engines.hpp"
#include "fault_cases.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <ostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

void hang() {
  for (;;) ::pause();
}
void spin() {
  for (std::atomic<int> k{0};; ++k) {
  }
}

// A file in memory that can shrink under its mapping.
int file_of(std::size_t bytes) {
  const int fd = ::memfd_create("hostile", 0);
  static_cast<void>(!::ftruncate(fd, static_cast<off_t>(bytes)));
  return fd;
}
void touch_a_vanished_page() {
  const int fd = file_of(4096);
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  static_cast<void>(!::ftruncate(fd, 0));
  *static_cast<volatile char*>(page) = 1;
}
void write_beyond_the_limit() {
  const rlimit limit{4096, 4096};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  static_cast<void>(!::pwrite(file_of(0), "x", 1, 5000));
}
void write_nowhere() {
  *static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) = 1;
}
void block_all_signals() {
  sigset_t all{};
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}
void close_all_fds() { ::close_range(0, ~0U, 0); }
void tick(__itimer_which timer) {
  const itimerval each{{0, 1000}, {0, 1000}};
  ::setitimer(timer, &each, nullptr);
}
void send_self(int number) { ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), number); }

struct mishap {};
struct mute : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "mute"; }
};
struct speechless : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return nullptr; }
};
struct treacherous : std::exception {
  // NOLINTNEXTLINE(bugprone-exception-escape): that is the fault
  [[nodiscard]] const char* what() const noexcept override { return quote(); }
  static const char* quote() { throw 1; }
};
// The destructor throws, which ends the worker when the exception is dropped. What was thrown is recorded before that.
struct thorny {
  thorny() = default;
  thorny(const thorny&) = default;
  ~thorny() noexcept(false) { throw 7; }
};

const fault faults[] = {
    {"throws_text", [] { throw "plain text"; }, failure::threw, "const char*: plain text"},
    {"throws_no_text", [] { throw static_cast<const char*>(nullptr); }, failure::threw, "(null)"},
    {"throws_own_class", [] { throw mishap(); }, failure::threw, "mishap"},
    {"throws_own_exception", [] { throw mute(); }, failure::threw, "mute: mute"},
    {"what_is_null", [] { throw speechless(); }, failure::threw, "speechless: (null)"},
    {"what_throws", [] { throw treacherous(); }, failure::crashed, "an uncaught exception", SIGABRT},
    {"exception_that_throws_when_destroyed", [] { throw thorny(); }, failure::threw, "thorny"},
    {"bus_error", touch_a_vanished_page, failure::crashed, "SIGBUS", SIGBUS},
    {"illegal_instruction", [] { asm volatile("ud2"); }, failure::crashed, "SIGILL", SIGILL},
    {"crashes_deaf_to_signals", [] { block_all_signals(), write_nowhere(); }, failure::crashed, "SIGSEGV", SIGSEGV},
    {"crashes_without_fds", [] { close_all_fds(), std::abort(); }, failure::crashed, "SIGABRT", SIGABRT},
    {"unmaps_everything", [] { ::munmap(nullptr, (std::size_t{1} << 47) - 4096); }, failure::crashed, "SIGSEGV",
     SIGSEGV},
    {"joinable_thread", [] { const std::thread lost(hang); }, failure::crashed, "SIGABRT", SIGABRT},
    {"file_too_large", write_beyond_the_limit, failure::crashed, "RLIMIT_FSIZE", SIGXFSZ},
    {"alarm", [] { tick(ITIMER_REAL), spin(); }, failure::crashed, "SIGALRM", SIGALRM},
    {"virtual_alarm", [] { tick(ITIMER_VIRTUAL), spin(); }, failure::crashed, "SIGVTALRM", SIGVTALRM},
    {"exec_true", [] { ::execlp("true", "true", nullptr); }, failure::exited, "status 0"},
    {"exec_false", [] { ::execlp("false", "false", nullptr); }, failure::exited, "status 1", 1},
    {"exits_beside_a_thread", [] { std::thread(spin).detach(), std::exit(6); }, failure::exited, "exit(6)", 6},
    {"stops_itself", [] { ::raise(SIGSTOP); }, failure::timed_out, "killed after its limit of 300 ms", SIGKILL},
    {"exec_sleep", [] { ::execlp("sleep", "sleep", "1000", nullptr); }, failure::timed_out, "limit of 300 ms", SIGKILL},
    {"traced", [] { ::ptrace(PTRACE_TRACEME), ::raise(SIGTRAP); }, failure::timed_out, "limit of 300 ms", SIGKILL},
};

INSTANTIATE_TEST_SUITE_P(each, single_fault_test, ::testing::ValuesIn(faults), fault_name);

// ---- What a task may do to its process and still succeed.

void end_soon() { ::_exit(0); }

struct antic {
  const char* name;
  void (*act)();

  friend void PrintTo(const antic& it, std::ostream* out) { *out << it.name; }
};

const antic antics[] = {
    {"closes_every_fd", close_all_fds},
    {"moves_and_masks", [] { static_cast<void>(!::chdir("/")), ::umask(0777); }},
    {"blocks_every_signal", block_all_signals},
    {"ignores_every_signal",
     [] {
       for (int k = 1; k <= 64; ++k) ::signal(k, SIG_IGN);
     }},
    {"leaves_a_thread_waiting", [] { std::thread(hang).detach(); }},
    {"leaves_a_thread_spinning", [] { std::thread(spin).detach(); }},
    {"leaves_a_child",
     [] {
       if (::fork() == 0) end_soon();
     }},
    {"goes_on_in_a_child_too", [] { static_cast<void>(::fork()); }},
    {"reaps_everything",
     [] {
       while (::waitpid(-1, nullptr, 0) > 0) {
       }
     }},
    {"is_not_dumpable", [] { ::prctl(PR_SET_DUMPABLE, 0UL); }},
    {"outlives_its_caller", [] { ::prctl(PR_SET_PDEATHSIG, 0UL); }},
    {"probes_its_caller", [] { ::kill(::getppid(), 0); }},
    {"is_nice", [] { static_cast<void>(!::nice(19)); }},
    {"keeps_to_one_core",
     [] {
       cpu_set_t one;
       CPU_ZERO(&one);
       CPU_SET(0, &one);
       ::sched_setaffinity(0, sizeof one, &one);
     }},
    {"leaves_its_session", [] { ::setsid(); }},
    {"leaves_its_namespaces", [] { ::unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_FILES | CLONE_FS); }},
    {"leaves_its_root", [] { static_cast<void>(!::chroot("/usr")); }},
    {"becomes_nobody", [] { static_cast<void>(!::setuid(65534)); }},
    {"ticks_at_a_kilohertz",
     [] {
       ::signal(SIGALRM, [](int) {});
       tick(ITIMER_REAL);
     }},
    {"fills_dev_full",
     [] {
       ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO);
       std::printf("%9999d", 1);
     }},
    {"unbuffers_stdout", [] { std::fclose(stdout); }},
};

class antic_test : public leftovers::none, public ::testing::WithParamInterface<antic> {
 protected:
  template <class T>
  static void check(parmap::options chosen) {
    const auto f = [](int i) {
      if (i % 30 == 7) GetParam().act();
      if constexpr (std::is_same_v<T, std::string>) return std::to_string(i);
      else return i;
    };
    const auto directory = std::filesystem::current_path();
    const mode_t mask = ::umask(022);
    const auto all = parmap::map(f, std::views::iota(0, 300), std::move(chosen));
    EXPECT_EQ(std::filesystem::current_path(), directory);
    EXPECT_EQ(::umask(mask), 022U);
    ASSERT_TRUE(all.ok()) << all.failures()[0];
    for (int i = 0; i < 300; ++i) {
      if constexpr (std::is_same_v<T, std::string>) ASSERT_EQ(all[static_cast<std::uint64_t>(i)], std::to_string(i));
      else ASSERT_EQ(all[static_cast<std::uint64_t>(i)], i);
    }
    while (::waitpid(-1, nullptr, 0) > 0) {  // reaps what the tasks forked: this process is their subreaper
    }
  }
};

TEST_P(antic_test, one_worker) { check<int>({.workers = 1}); }
TEST_P(antic_test, encoded_results) { check<std::string>({.workers = 4}); }
TEST_P(antic_test, with_a_limit) { check<std::string>({.retries = 1, .timeout = 60s, .workers = 2}); }

INSTANTIATE_TEST_SUITE_P(each, antic_test, ::testing::ValuesIn(antics),
                         [](const auto& one) { return std::string(one.param.name); });

// ---- Faults of more than one line.

class destructive_tasks_test : public leftovers::none {};

TEST_F(destructive_tasks_test, every_signal_in_turn) {
  const auto f = [](int number) {
    send_self(number);
    return number;
  };
  const auto all = parmap::map(f, std::views::iota(1, 65), {.timeout = 300ms, .workers = 4});
  for (int number = 1; number <= 64; ++number) {
    const auto i = static_cast<std::uint64_t>(number - 1);
    const int* value = all.get_if(i);
    switch (number) {
      case SIGCHLD:
      case SIGCONT:
      case SIGURG:
      case SIGWINCH: EXPECT_NE(value, nullptr) << number; break;
      case SIGTSTP:  // the kernel ignores these in an orphaned process group
      case SIGTTIN:
      case SIGTTOU:
        if (value != nullptr) break;
        [[fallthrough]];
      case SIGSTOP:
        ASSERT_EQ(value, nullptr) << number;
        EXPECT_THROW(static_cast<void>(all[i]), parmap::task_failed);
        break;
      default: ASSERT_EQ(value, nullptr) << number;
    }
  }
  for (const failure& why : all.failures()) {
    const int number = static_cast<int>(why.index) + 1;
    if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) {
      EXPECT_EQ(why.kind, failure::timed_out) << why;
    } else {
      const char* name = ::sigabbrev_np(number);
      EXPECT_EQ(why.kind, failure::crashed) << why;
      EXPECT_NE(why.message.find(name != nullptr ? name : std::to_string(number)), std::string::npos) << why;
    }
  }
}

// A worker has no signal handler of its own: the caller's handler is still installed in a task.
TEST_F(destructive_tasks_test, a_handler_of_the_caller_serves_its_tasks) {
  static std::atomic<int> ticks{0};
  const auto before = std::signal(SIGALRM, [](int) { ++ticks; });
  const auto f = [](int i) {
    tick(ITIMER_REAL);
    while (ticks < 5) {
    }
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 50), {.timeout = 60s, .workers = 2});
  std::signal(SIGALRM, before);
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(ticks, 0);
}

TEST_F(destructive_tasks_test, pthread_exit_while_the_caller_handles_an_exception) {
  const auto f = [](int i) {
    if (i == 5) ::pthread_exit(nullptr);
    return i;
  };
  try {
    throw std::runtime_error("in the caller");
  } catch (const std::runtime_error&) {
    const auto all = parmap::map(f, std::views::iota(0, 20), {.retries = 1});
    ASSERT_EQ(all.failures().size(), 1U);
    EXPECT_EQ(all.failures()[0].kind, failure::exited) << all.failures()[0];
    EXPECT_NE(all.failures()[0].message.find("pthread_exit"), std::string::npos);
  }
}

// Documented: without a timeout, a process that a task starts lives on, even if the worker dies.
TEST_F(destructive_tasks_test, a_daemon_outlives_its_task_and_the_map) {
  std::array<int, 2> life{};
  ASSERT_EQ(::pipe(life.data()), 0);
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe(told.data()), 0);
  const auto f = [&](int i) {
    if (i % 10 != 3) return i;
    if (::fork() != 0) ::_exit(0);  // as daemon() does
    ::setsid();
    ::close(life[1]);
    char end{};
    static_cast<void>(!::read(life[0], &end, 1));  // until the caller closes its end
    static_cast<void>(!::write(told[1], "x", 1));
    ::_exit(0);
  };
  const auto all = parmap::map(f, std::views::iota(0, 40));
  ASSERT_EQ(all.failures().size(), 4U);
  for (const failure& why : all.failures()) EXPECT_EQ(why.kind, failure::exited) << why;
  EXPECT_TRUE(leftovers::has_children());
  for (const int fd : {life[1], life[0], told[1]}) ::close(fd);
  std::string said;
  EXPECT_TRUE(read_all(told[0], said, 60s));
  EXPECT_EQ(said, "xxxx");
  ::close(told[0]);
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

TEST_F(destructive_tasks_test, gigabytes_on_stdout) {
  constexpr std::size_t line = 1 << 20;
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  std::uint64_t drained = 0;
  std::jthread reader([&, part = std::vector<char>(line)]() mutable {
    for (ssize_t got = 0; (got = ::read(fds[0], part.data(), part.size())) > 0;)
      drained += static_cast<std::uint64_t>(got);
  });
  const auto f = [&fds](int i) {
    ::dup2(fds[1], STDOUT_FILENO);
    const std::string all(line, 'x');
    for (int k = 0; k < 200; ++k) std::fwrite(all.data(), 1, all.size(), stdout);
    if (i == 4) std::exit(0);  // flushes stdout first
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 10));
  ::close(fds[1]);
  reader.join();
  ::close(fds[0]);
  EXPECT_EQ(drained, 10U * 200U * line);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 4U);
}

// A worker without any resource left cannot be expected to work, but the tasks of other workers must not suffer.
TEST_F(destructive_tasks_test, every_limit_lowered_to_nothing) {
  const auto f = [](int i) {
    if (i == 0)
      for (int what = 0; what < RLIM_NLIMITS; ++what) {
        const rlimit nothing{0, 0};
        ::setrlimit(static_cast<__rlimit_resource>(what), &nothing);
      }
    return std::to_string(i);
  };
  const auto all = parmap::map(f, std::views::iota(0, 1000), {.workers = 2});
  EXPECT_LT(all.failures().size(), 1000U);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto* value = all.get_if(i);
    ASSERT_TRUE(value == nullptr || *value == std::to_string(i)) << i;
  }
}

}  // namespace
