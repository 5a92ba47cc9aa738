// SPDX-License-Identifier: MIT
// Engine pool: each way a task can fail costs only that task, whether a map, a stream or a future waits for it, is
// blamed on it, and leaves the pool as it was.
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <new>
#include <optional>
#include <ostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0x7fff'ffff ? 0 : recurse(depth + 1) + frame[0];
}
void write_nowhere() {
  void* page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}
void throw_something() { throw std::runtime_error("out of a noexcept function"); }
void throw_in_noexcept() noexcept { throw_something(); }
void hang() {
  for (;;) ::pause();
}
void spin() {
  for (std::atomic<int> k{0};; ++k) {
  }
}
void hang_deaf() {
  sigset_t all{};
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  hang();
}
struct throws_when_destroyed {
  throws_when_destroyed() = default;
  throws_when_destroyed(const throws_when_destroyed&) = default;
  throws_when_destroyed& operator=(const throws_when_destroyed&) = default;
  ~throws_when_destroyed() noexcept(false) { throw std::logic_error("second"); }
};

struct fault {
  const char* name;
  void (*act)();
  parmap::failure_kind kind;
  const char* message;  // a part of it
  int status{};

  friend void PrintTo(const fault& it, std::ostream* out) { *out << it.name; }
};

const fault faults[] = {
    {"throws", [] { throw std::runtime_error("thrown"); }, failure::threw, "std::runtime_error: thrown"},
    {"throws_int", [] { throw 42; }, failure::threw, "int: 42"},
    {"throws_when_destroyed", [] { throw throws_when_destroyed(); }, failure::threw, "throws_when_destroyed"},
    {"throws_1_MB", [] { throw std::runtime_error(std::string(1'000'000, 'x')); }, failure::threw, "xxxx"},
    {"bad_alloc", [] { throw std::bad_alloc(); }, failure::out_of_memory, "bad_alloc"},
    {"segfault", write_nowhere, failure::crashed, "SIGSEGV", SIGSEGV},
    {"abort", [] { std::abort(); }, failure::crashed, "SIGABRT", SIGABRT},
    {"abort_in_thread", [] { std::thread([] { std::abort(); }).join(); }, failure::crashed, "SIGABRT", SIGABRT},
    {"terminate", throw_in_noexcept, failure::crashed, "SIGABRT", SIGABRT},
    {"sigfpe", [] { ::raise(SIGFPE); }, failure::crashed, "SIGFPE", SIGFPE},
    {"sigkill", [] { ::kill(::getpid(), SIGKILL); }, failure::crashed, "SIGKILL", SIGKILL},
    {"sigterm", [] { ::kill(::getpid(), SIGTERM); }, failure::crashed, "SIGTERM", SIGTERM},
    {"stack_overflow", [] { std::cout << recurse(0); }, failure::crashed, "SIGSEGV", SIGSEGV},
    {"exit_0", [] { std::exit(0); }, failure::exited, "exit(0)"},
    {"exit_3", [] { std::exit(3); }, failure::exited, "exit(3)", 3},
    {"exit_in_thread", [] { std::thread([] { std::exit(4); }).join(); }, failure::exited, "exit(4)", 4},
    {"underscore_exit_5", [] { ::_exit(5); }, failure::exited, "_exit(5)", 5},
    {"quick_exit", [] { std::quick_exit(0); }, failure::exited, "quick_exit", EXIT_FAILURE},
    {"pthread_exit", [] { ::pthread_exit(nullptr); }, failure::exited, "pthread_exit", EXIT_FAILURE},
    {"hangs", hang, failure::timed_out, "killed after its limit of 150 ms", SIGKILL},
    {"spins", spin, failure::timed_out, "killed after its limit of 150 ms", SIGKILL},
    {"hangs_deaf_to_signals", hang_deaf, failure::timed_out, "killed after its limit of 150 ms", SIGKILL},
};

// Task i of a map commits fault k - 1, if k > 0.
int plain(int i, int k) {
  if (k > 0) faults[k - 1].act();
  return 2 * i;
}
std::string encoded(int i, int k) {
  if (k > 0) faults[k - 1].act();
  return std::string(static_cast<std::size_t>(i), 'v');
}

class pool_faults_test : public leftovers::none, public ::testing::WithParamInterface<fault> {
 protected:
  void SetUp() override {
    leftovers::none::SetUp();
    workers_.emplace(parmap::pool_options{.timeout = 150ms, .workers = 2});
  }
  void TearDown() override {
    const auto all = parmap::map(*workers_, [](int i) { return i; }, std::views::iota(0, 50));
    EXPECT_TRUE(all.ok()) << all.failures();
    EXPECT_EQ(workers_->submit([](int i) { return i; }, 7).get(), 7);
    workers_.reset();
    leftovers::none::TearDown();
  }
  // The faults of tasks 0 to n - 1: this one in those that are bad.
  static std::vector<int> faults_of(int n, const std::vector<int>& bad) {
    const auto k = static_cast<int>(&find() - faults) + 1;
    std::vector<int> all(static_cast<std::size_t>(n));
    for (const int each : bad) all[static_cast<std::size_t>(each)] = k;
    return all;
  }
  static void expect_fault(const failure& why, std::uint64_t index, unsigned attempts = 1) {
    EXPECT_EQ(why.index, index);
    EXPECT_EQ(why.kind, GetParam().kind) << why;
    EXPECT_EQ(why.attempts, attempts) << why;
    EXPECT_EQ(why.status, GetParam().status) << why;
    EXPECT_NE(why.message.find(GetParam().message), std::string::npos) << why;
  }

  std::optional<parmap::pool> workers_;

 private:
  static const fault& find() {
    return *std::ranges::find_if(faults, [](const fault& it) { return it.name == std::string(GetParam().name); });
  }
};

TEST_P(pool_faults_test, in_maps) {
  for (const unsigned retries : {0U, GetParam().kind == failure::timed_out ? 0U : 1U}) {
    const std::vector<int> bad{0, 39};
    const auto all =
        parmap::map(*workers_, plain, parmap::zip(std::views::iota(0, 40), faults_of(40, bad)), {.retries = retries});
    ASSERT_EQ(all.failures().size(), 2U) << all.failures();
    for (std::size_t k = 0; k < 2; ++k)
      expect_fault(all.failures()[k], static_cast<std::uint64_t>(bad[k]), 1 + retries);
    for (std::uint64_t i = 0; i < 40; ++i)
      if (const int* const value = all.get_if(i)) {
        EXPECT_EQ(*value, static_cast<int>(2 * i));
      }
  }
}

TEST_P(pool_faults_test, in_streams) {
  for (const bool ordered : {false, true}) {
    std::uint64_t count = 0;
    for (auto&& [index, outcome] :
         parmap::stream(*workers_, encoded, parmap::zip(std::views::iota(0, 30), faults_of(30, {3})),
                        {.ordered = ordered, .window = 4})) {
      if (index == 3) {
        ASSERT_FALSE(outcome);
        expect_fault(outcome.error(), index);
      } else {
        ASSERT_TRUE(outcome) << outcome.error();
        EXPECT_EQ(outcome->size(), index);
      }
      ++count;
    }
    EXPECT_EQ(count, 30U);
  }
}

TEST_P(pool_faults_test, in_submitted_tasks) {
  const std::vector<int> kinds = faults_of(12, {0, 11});
  std::vector<parmap::future<std::string>> all;
  for (int i = 0; i < 12; ++i) all.push_back(workers_->submit(encoded, i, kinds[static_cast<std::size_t>(i)]));
  for (std::size_t i = 12; i-- > 0;) {
    parmap::outcome<std::string>& it = all[i].outcome();
    if (kinds[i] != 0) {
      ASSERT_FALSE(it);
      expect_fault(it.error(), i);
    } else {
      ASSERT_TRUE(it) << it.error();
      EXPECT_EQ(it->size(), i);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(each, pool_faults_test, ::testing::ValuesIn(faults),
                         [](const ::testing::TestParamInfo<fault>& one) { return one.param.name; });

class pool_tasks_test : public leftovers::none {
 protected:
  watchdog dog_{60s};
};

// What a task does to its worker besides: none of it is its failure, and none is felt by others.
TEST_F(pool_tasks_test, that_do_as_they_like) {
  void (*const habits[])() = {
      [] { ::fork(); },
      [] { ::closefrom(3); },
      [] { ::close_range(0, ~0U, 0); },
      [] { std::thread(hang).detach(); },
      [] { static_cast<void>(parmap::map(parmap::multi, [](int i) { return i; }, std::vector{1, 2})); },
      [] { static_cast<void>(parmap::map(parmap::threads, [](int i) { return i; }, std::vector{1, 2})); },
      [] {
        const parmap::pool inner({.workers = 1});
        static_cast<void>(parmap::map(inner, [](int i) { return i; }, std::vector{1, 2}));
      },
      [] { static parmap::pool stays({.workers = 1}); },
      [] { ::signal(SIGCHLD, SIG_IGN); },
      [] {
        sigset_t all{};
        sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
      },
      [] { std::atexit([] { ::_exit(9); }); },
  };
  static auto& of = habits;
  for (const unsigned count : {1U, 3U}) {
    const parmap::pool workers({.workers = count});
    for (int k = 0; k < static_cast<int>(std::size(habits)); ++k) {
      const auto f = [](int i, int habit) {
        if (i % 3 == 1) of[habit]();
        return i;
      };
      const auto all = parmap::map(workers, parmap::fargs(f, k), std::views::iota(0, 9));
      EXPECT_TRUE(all.ok()) << k << ": " << all.failures();
      EXPECT_EQ(workers.submit(f, 1, k).get(), 1);
      dog_.pat();
    }
  }
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

// In a session of its own: when the last process ends that links a process group to another one of its session, the
// kernel sends SIGHUP to the whole group if a process in it is stopped, such as a worker of a test that runs beside
// this one.
TEST_F(pool_tasks_test, that_change_their_process_group) {
  EXPECT_EQ(in_child([] {
              ::setsid();
              const parmap::pool workers({.workers = 2});
              const auto f = [](int i) {
                if (i == 1) ::fork();
                if (i == 2) static_cast<void>(::setpgid(0, 0));
                return i;
              };
              for (int k = 0; k < 10; ++k)
                if (!parmap::map(workers, f, std::views::iota(0, 9)).ok())
                  throw std::runtime_error("a task has failed");
            }),
            "");
}

TEST_F(pool_tasks_test, that_start_processes) {
  {
    const parmap::pool workers({.workers = 2});
    const auto f = [](int i) {
      if (::fork() == 0) hang();
      return i;
    };
    EXPECT_TRUE(parmap::map(workers, f, std::vector{1, 2, 3}).ok());
    EXPECT_EQ(workers.submit(f, 1).get(), 1);
  }
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // the pool has killed them, and they are this process's to reap
  }
}

TEST_F(pool_tasks_test, that_throw_long_messages) {
  const parmap::pool workers({.workers = 2});
  const auto f = [](int i) -> int { throw std::runtime_error(std::string(10'000'000, static_cast<char>('a' + i))); };
  const auto all = parmap::map(workers, f, std::views::iota(0, 3));
  ASSERT_EQ(all.failures().size(), 3U);
  EXPECT_TRUE(all.failures()[2].message.ends_with(std::string(10'000'000, 'c')));
}

TEST_F(pool_tasks_test, that_all_fail_at_once_many_times) {
  const parmap::pool workers({.timeout = 400ms, .workers = 3});
  constexpr auto n = static_cast<int>(std::size(faults));
  const auto f = [](int i) {
    if (i % 2 == 1) faults[i / 2 % std::ssize(faults)].act();
    return std::to_string(i);
  };
  for (int round = 0; round < 2; ++round) {
    const auto all = parmap::map(workers, f, std::views::iota(0, 2 * n));
    ASSERT_EQ(all.failures().size(), static_cast<std::size_t>(n));
    for (const failure& why : all.failures()) {
      ASSERT_EQ(why.index % 2, 1U) << why;
      EXPECT_EQ(why.kind, faults[why.index / 2].kind) << why;
    }
    dog_.pat();
  }
}

}  // namespace
