// SPDX-License-Identifier: MIT
// Engine multi where the system refuses a call, or where the caller has children or SIGCHLD handling of its own.
#include "engines.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "troubled_maps.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

void refuse_forks() { refuse({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}, EAGAIN); }

TEST(refused_system_calls_test, no_fork_at_all_is_a_system_error) {
  EXPECT_EQ(in_child([] {
              const std::size_t fds = leftovers::open_fds();
              const std::size_t mappings = leftovers::shared_mappings();
              refuse_forks();
              try {
                static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
              } catch (const std::system_error& error) {
                require(error.code() == std::errc::resource_unavailable_try_again, "EAGAIN");
                require(std::string(error.what()).find("fork") != std::string::npos, error.what());
                require(leftovers::open_fds() == fds, "fds");
                require(leftovers::shared_mappings() == mappings, "mappings");
                return;
              }
              throw std::logic_error("no exception");
            }),
            "");
}

// A global, because a pthread_atfork handler takes no argument.
std::atomic<int> forks_allowed{-1};
void count_fork() {
  if (forks_allowed >= 0 && forks_allowed-- == 0) refuse_forks();
}

TEST(refused_system_calls_test, the_workers_that_exist_carry_on) {
  EXPECT_EQ(in_child([] {
              ::pthread_atfork(count_fork, nullptr, nullptr);
              forks_allowed = 2;
              check_all(parmap::map(twice, std::views::iota(0, 10'000), {.workers = 8}), 10'000);
            }),
            "");
}

TEST(refused_system_calls_test, a_replacement_that_is_refused_leaves_the_work_to_the_others) {
  EXPECT_EQ(in_child([] {
              ::pthread_atfork(count_fork, nullptr, nullptr);
              forks_allowed = 3;
              const auto f = [](int x) {
                if (x == 5 || x == 250) ::_exit(1);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that the other workers are still busy
                return 2 * x;
              };
              const auto all = parmap::map(f, std::views::iota(0, 500), {.workers = 3});
              require(all.failures().size() == 2, "failures");
              require(all.failures()[0].index == 5 && all.failures()[1].index == 250, "blame");
            }),
            "");
}

TEST(refused_system_calls_test, when_no_worker_can_be_had_any_more_what_is_done_is_returned) {
  EXPECT_EQ(in_child([] {
              ::pthread_atfork(count_fork, nullptr, nullptr);
              forks_allowed = 1;
              const auto f = [](int x) {
                if (x == 50) ::_exit(1);
                return 2 * x;
              };
              const auto all = parmap::map(f, std::views::iota(0, 100), {.workers = 1});
              require(all[0] == 0 && all[49] == 98, "what was done");
              require(all.failures().size() == 50, "failures");
              require(all.failures()[0].kind == parmap::failure::exited, "the culprit");
              require(all.failures()[1].kind == parmap::failure::stopped, "the others");
              require(all.failures()[1].message.find("no new worker could be started") != std::string::npos,
                      "the reason");
            }),
            "");
}

// Old kernels and the sandboxes of old containers have no pidfds: deaths, limits and ends as ever.
TEST(refused_system_calls_test, without_pidfds) {
  for (const int error : {ENOSYS, EPERM})
    EXPECT_EQ(in_child([error] {
                refuse({SYS_pidfd_open}, error);
                for (int k = 0; k < 3; ++k) {
                  check_map();
                  check_late();
                }
              }),
              "");
}

TEST(refused_system_calls_test, without_pidfds_once_the_first_map_is_over) {
  EXPECT_EQ(in_child([] {
              check_map();
              refuse({SYS_pidfd_open}, EPERM);
              check_map();
              check_late();
            }),
            "");
}

// A process that a task has detached holds the pipe that would tell of the worker's death.
TEST(refused_system_calls_test, without_pidfds_while_a_process_of_a_task_lives_on) {
  EXPECT_EQ(in_child([] {
              refuse({SYS_pidfd_open}, EPERM);
              int ends[2];
              require(::pipe(ends) == 0, "pipe");
              const auto f = [&ends](int x) {
                if (::fork() == 0) {
                  ::setsid();
                  ::close(ends[1]);
                  char none = 0;
                  ::_exit(static_cast<int>(::read(ends[0], &none, 1)));  // returns when this test is over
                }
                if (x == 3) ::_exit(1);
                return 2 * x;
              };
              const auto all = parmap::map(f, std::views::iota(0, 6), {.workers = 2});
              require(all.failures().size() == 1 && all.failures()[0].index == 3, "blame");
            }),
            "");
}

#if !defined(__SANITIZE_ADDRESS__)  // ASan itself maps more memory than any limit
TEST(refused_system_calls_test, without_any_shared_memory_the_error_names_it) {
  EXPECT_EQ(in_child([] {
              static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));  // loads everything that is loaded lazily
              refuse({SYS_mmap}, ENOMEM);
              try {
                static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
              } catch (const std::system_error& error) {
                require(error.code() == std::errc::not_enough_memory, "ENOMEM");
                require(std::string(error.what()).find("shared memory") != std::string::npos, error.what());
                return;
              }
              throw std::logic_error("no exception");
            }),
            "");
}

TEST(refused_system_calls_test, short_address_space_makes_smaller_arenas) {
  EXPECT_EQ(in_child([] {
              const rlimit limit{std::size_t{2} << 30, std::size_t{2} << 30};
              require(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
              const auto f = [](int x) { return std::string(1000, static_cast<char>('a' + x % 26)); };
              const auto all = parmap::map(f, std::views::iota(0, 10'000));
              require(all.ok(), "all");
              require(all[9'999] == f(9'999), "value");
            }),
            "");
}

TEST(refused_system_calls_test, an_arena_that_is_full_fails_the_task_alone) {
  EXPECT_EQ(in_child([] {
              const rlimit limit{std::size_t{256} << 20, std::size_t{256} << 20};
              require(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
              const auto f = [](int x) { return std::string(x == 3 ? std::size_t{100} << 20 : 10, 'x'); };
              const auto all = parmap::map(f, std::views::iota(0, 10), {.workers = 1});
              require(all.failures().size() == 1, "failures");
              require(all.failures()[0].index == 3, "index");
              require(all.failures()[0].kind == parmap::failure::out_of_memory, "kind");
              require(all[9].size() == 10, "the others");
            }),
            "");
}
#endif

// Checks the blame where the caller's handling of SIGCHLD may hide how a worker ended.
void check_blame() {
  const auto dies = [](int x) {
    if (x == 5) ::raise(SIGKILL);
    if (x == 7) std::exit(3);  // may take long under valgrind on a busy machine
    return 2 * x;
  };
  const auto some = parmap::map(dies, std::views::iota(0, 100));
  check_all(some, 100, {5, 7});
  require(some.failures()[0].kind == parmap::failure::crashed, "killed");
  require(some.failures()[1].kind == parmap::failure::exited, "exited");

  const auto hangs = [](int x) {
    while (x == 9) ::pause();
    return 2 * x;
  };
  const auto all = parmap::map(hangs, std::views::iota(0, 100), {.timeout = std::chrono::seconds(1)});
  check_all(all, 100, {9});
  require(all.failures()[0].kind == parmap::failure::timed_out, "late");
}

TEST(refused_system_calls_test, a_caller_that_ignores_sigchld) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              const auto f = [](int x) {
                if (x == 5) ::raise(SIGKILL);
                if (x == 7) std::exit(3);
                return 2 * x;
              };
              const auto all = parmap::map(f, std::views::iota(0, 100));
              require(all.failures().size() == 2, "failures");
              require(all.failures()[0].index == 5 && all.failures()[0].kind == parmap::failure::crashed, "killed");
              require(all.failures()[0].message.find("the cause is unknown") != std::string::npos, "what is known");
              require(all.failures()[1].index == 7 && all.failures()[1].kind == parmap::failure::exited, "exited");
              for (int k = 0; k < 20; ++k) check_all(parmap::map(twice, std::views::iota(0, 100)), 100);
            }),
            "");
}

TEST(refused_system_calls_test, a_caller_that_reaps_every_child) {
  EXPECT_EQ(in_child([] {
              std::jthread reaper([](const std::stop_token& ended) {
                while (!ended.stop_requested()) {
                  siginfo_t info{};
                  ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
                }
              });
              for (int k = 0; k < 50; ++k) {
                const auto f = [](int x) {
                  if (x == 5) ::raise(SIGKILL);
                  return 2 * x;
                };
                const auto all = parmap::map(f, std::views::iota(0, 100), {.workers = 3});
                require(all.failures().size() == 1, "failures");
                require(all.failures()[0].index == 5, "blame");
              }
            }),
            "");
}

TEST(refused_system_calls_test, a_caller_whose_children_are_reaped_by_the_kernel) {
  EXPECT_EQ(in_child([] {
              struct sigaction reaped{};
              reaped.sa_handler = SIG_DFL;
              reaped.sa_flags = SA_NOCLDWAIT;
              require(::sigaction(SIGCHLD, &reaped, nullptr) == 0, "sigaction");
              check_blame();
            }),
            "");
}

TEST(refused_system_calls_test, a_caller_whose_handler_reaps_every_child) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, [](int) {
                const int kept = errno;
                while (::waitpid(-1, nullptr, WNOHANG) > 0) {
                }
                errno = kept;
              });
              for (int k = 0; k < 3; ++k) check_blame();
            }),
            "");
}

// Each child ends during the map, when a task writes to the pipe, and can still be waited for afterwards.
TEST(refused_system_calls_test, children_of_the_callers_own_that_end_meanwhile) {
  EXPECT_EQ(in_child([] {
              std::array<int, 2> fds{};
              require(::pipe(fds.data()) == 0, "pipe");
              std::vector<pid_t> own;
              for (int k = 0; k < 10; ++k) {
                own.push_back(::fork());
                if (own.back() != 0) continue;
                char end{};
                static_cast<void>(!::read(fds[0], &end, 1));
                ::_exit(end);
              }
              const auto f = [&](int i) {
                const char code = 17;
                if (i % 100 == 50) static_cast<void>(!::write(fds[1], &code, 1));
                if (i % 100 == 55) ::raise(SIGKILL);
                return 2 * i;
              };
              const auto all = parmap::map(f, std::views::iota(0, 1000));
              check_all(all, 1000, {55, 155, 255, 355, 455, 555, 655, 755, 855, 955});
              for (const pid_t each : own) {
                int status = 0;
                require(::waitpid(each, &status, 0) == each && WEXITSTATUS(status) == 17, "own child");
              }
            }),
            "");
}

TEST(refused_system_calls_test, children_of_the_callers_own_stay_the_callers) {
  EXPECT_EQ(in_child([] {
              const pid_t own = ::fork();
              if (own == 0) ::_exit(17);
              check_all(parmap::map(twice, std::views::iota(0, 1000)), 1000);
              int status = 0;
              require(::waitpid(own, &status, 0) == own && WEXITSTATUS(status) == 17, "own child");
            }),
            "");
}

TEST(refused_system_calls_test, the_caller_is_killed_and_no_worker_survives) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  const pid_t caller = ::fork();
  if (caller == 0) {
    const auto f = [&](int) {
      const char begun = 1;
      static_cast<void>(!::write(fds[1], &begun, 1));
      for (;;) ::pause();
      return 0;
    };
    static_cast<void>(parmap::map(f, std::views::iota(0, 4), {.workers = 4}));
    ::_exit(0);
  }
  ::close(fds[1]);
  std::array<char, 8> begun{};
  for (int k = 0; k < 4;) k += static_cast<int>(::read(fds[0], begun.data(), 4));
  ::kill(caller, SIGKILL);
  EXPECT_EQ(::read(fds[0], begun.data(), 1), 0);  // returns when the last process that holds the pipe is gone
  ::close(fds[0]);
  ::waitpid(caller, nullptr, 0);
}

TEST(refused_system_calls_test, from_many_threads_at_once) {
  EXPECT_EQ(in_child([] {
              std::atomic<int> wrong{0};
              {
                std::vector<std::jthread> callers;
                for (int k = 0; k < 4; ++k)
                  callers.emplace_back([&wrong] {
                    for (int times = 0; times < 10; ++times) {
                      const auto all = parmap::map(twice, std::views::iota(0, 500));
                      if (!all.ok() || all[499] != 998) ++wrong;
                    }
                  });
              }
              require(wrong == 0, "wrong results");
            }),
            "");
}

TEST(refused_system_calls_test, workers_that_leave_at_birth_unseen_end_the_map_too) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              ::pthread_atfork(nullptr, nullptr, [] { ::_exit(0); });
              try {
                static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
              } catch (const std::runtime_error& error) {
                require(std::string(error.what()).find("before they began a task") != std::string::npos, error.what());
                return;
              }
              throw std::logic_error("no exception");
            }),
            "");
}

TEST(refused_system_calls_test, workers_that_all_die_at_birth_end_the_map) {
  EXPECT_EQ(in_child([] {
              refuse({SYS_madvise}, EPERM);  // a worker that cannot protect the ledger gives up
              try {
                static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
              } catch (const std::runtime_error& error) {
                const std::string what = error.what();
                require(what.find("before they began a task") != std::string::npos, error.what());
                require(what.find("Operation not permitted") != std::string::npos, error.what());
                return;
              }
              throw std::logic_error("no exception");
            }),
            "");
}

TEST(refused_system_calls_test, what_is_buffered_before_the_map_comes_out_once) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(fds[1], STDOUT_FILENO);
    std::printf("before ");
    const auto f = [](int x) -> int {
      std::printf("task ");
      if (x == 1) std::exit(0);
      return x;
    };
    static_cast<void>(parmap::map(f, std::views::iota(0, 3), {.workers = 1}));
    std::printf("after");
    std::fflush(stdout);
    ::_exit(0);
  }
  ::close(fds[1]);
  std::string said;
  std::array<char, 100> part{};
  for (ssize_t got = 0; (got = ::read(fds[0], part.data(), part.size())) > 0;)
    said.append(part.data(), static_cast<std::size_t>(got));
  ::close(fds[0]);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(said, "before task task task after");
}

}  // namespace
