// SPDX-License-Identifier: MIT
// Engine multi under signals: thousands a second to the caller, and Ctrl-C, Ctrl-Z and SIGKILL at random moments.
#include "engines.hpp"
#include "run_in_child.hpp"
#include "troubled_maps.hpp"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <random>
#include <ranges>
#include <stop_token>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;

// ---- Thousands of signals.

std::atomic<int> signals{0};

void handle(int number, int flags) {
  struct sigaction how{};
  how.sa_handler = [](int) { ++signals; };
  how.sa_flags = flags;
  require(::sigaction(number, &how, nullptr) == 0, "sigaction");
}

class signals_test : public ::testing::TestWithParam<int> {};

TEST_P(signals_test, from_a_timer) {
  EXPECT_EQ(in_child([] {
              handle(SIGALRM, GetParam());
              const itimerval often{{0, 100}, {0, 100}};
              require(::setitimer(ITIMER_REAL, &often, nullptr) == 0, "setitimer");
              for (int k = 0; k < 3; ++k) {
                check_map({.workers = 5});
                check_late();
              }
              const itimerval never{};
              ::setitimer(ITIMER_REAL, &never, nullptr);
              require(signals > 1000, "signals");
            }),
            "");
}

TEST_P(signals_test, from_a_thread) {
  EXPECT_EQ(in_child([] {
              handle(SIGUSR1, GetParam());
              std::jthread gun([target = ::pthread_self()](const std::stop_token& ended) {
                while (!ended.stop_requested()) {
                  ::pthread_kill(target, SIGUSR1);
                  std::this_thread::sleep_for(20us);
                }
              });
              for (int k = 0; k < 3; ++k) {
                check_map({.workers = 5});
                check_late();
              }
              gun = {};
              require(signals > 1000, "signals");
            }),
            "");
}

INSTANTIATE_TEST_SUITE_P(each, signals_test, ::testing::Values(0, SA_RESTART),
                         [](const auto& one) { return std::string(one.param == 0 ? "interrupting" : "restarting"); });

// ---- Signals at random moments.

constexpr std::uint64_t seed = 20'241'122;

// A process group that runs life(), which must end in _exit(0).
class group {
 public:
  explicit group(const std::function<void()>& life) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::pipe(fds.data()), 0);
    pid_ = ::fork();
    ::setpgid(pid_, pid_);  // called in parent and child, as either may run first
    if (pid_ == 0) {
      ::close(fds[0]);
      try {
        life();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(1);
    }
    ::close(fds[1]);
    alive_ = fds[0];
  }
  group(const group&) = delete;
  group& operator=(const group&) = delete;
  // Waits until no process of the group is left. If one is still there after 20 s, the test fails and the group is
  // killed.
  ~group() {
    std::string said;
    EXPECT_TRUE(read_all(alive_, said, 20s)) << "somebody is left";
    ::close(alive_);
    ::kill(-pid_, SIGKILL);
  }

  void send(int number) const { EXPECT_EQ(::kill(-pid_, number), 0); }
  void kill_leader() const { EXPECT_EQ(::kill(pid_, SIGKILL), 0); }
  [[nodiscard]] int wait(int flags = 0) const {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, flags), pid_);
    return status;
  }

 private:
  pid_t pid_;
  int alive_;
};

// Runs maps with deaths, timeouts and replacements, one after the other.
[[noreturn]] void map_without_end() {
  const auto f = [](int i) {
    if (i % 50 == 7) ::raise(SIGKILL);
    while (i % 100 == 9) ::pause();
    return std::to_string(i);
  };
  for (;;) static_cast<void>(parmap::map(f, std::views::iota(0, 300), {.retries = 1, .timeout = 1ms, .workers = 4}));
}

TEST(moments_test, the_caller_is_killed) {
  std::cout << "seed " << seed << std::endl;  // flushed before the forks
  std::mt19937_64 random(seed);
  for (int k = 0; k < 200 && !::testing::Test::HasFailure(); ++k) {
    const group all(map_without_end);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    all.kill_leader();
    EXPECT_EQ(WTERMSIG(all.wait()), SIGKILL);
  }
}

TEST(moments_test, ctrl_c) {
  std::cout << "seed " << seed << std::endl;  // flushed before the forks
  std::mt19937_64 random(seed);
  for (int k = 0; k < 200 && !::testing::Test::HasFailure(); ++k) {
    const group all(map_without_end);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    all.send(SIGINT);
    EXPECT_EQ(WTERMSIG(all.wait()), SIGINT);
  }
}

// Posted by the SIGINT handler of a program that keeps what is done when the user presses Ctrl-C.
sem_t interrupted;

// Blocks or unblocks SIGINT, so that none arrives before there is a handler.
void hold_back_ctrl_c(int how) {
  sigset_t one{};
  sigemptyset(&one);
  sigaddset(&one, SIGINT);
  ::pthread_sigmask(how, &one, nullptr);
}

[[noreturn]] void map_until_interrupted() {
  ::sem_init(&interrupted, 0, 0);
  std::signal(SIGINT, [](int) { ::sem_post(&interrupted); });
  hold_back_ctrl_c(SIG_UNBLOCK);
  std::stop_source source;
  std::jthread listener([&source] {
    while (::sem_wait(&interrupted) != 0) {
    }
    source.request_stop();
  });
  const auto f = [](int i) {
    if (i % 1000 == 7) ::raise(SIGKILL);
    return 2 * i;
  };
  constexpr std::uint64_t n = 1'000'000'000;
  const auto all =
      parmap::map(f, std::views::iota(0, int{n}), {.stop = source.get_token(), .timeout = 1s, .workers = 4});
  std::uint64_t failed = 0;
  for (const parmap::failure& why : all.failures()) {
    if (why.kind == parmap::failure::stopped) break;  // the rest, up to a billion, are stopped too
    require(why.index % 1000 == 7 && why.kind == parmap::failure::crashed, to_string(why));
    ++failed;
  }
  const std::uint64_t done = n - all.failures().size();
  require(source.stop_requested() && done + failed < n, "it was stopped");
  for (int i = 0; i < 1000; ++i) {
    const int* value = all.get_if(static_cast<std::uint64_t>(i));
    require(value == nullptr || *value == 2 * i, "value");
  }
  require(!leftovers::has_children(), "no worker is left");
  listener.join();
  ::_exit(0);
}

TEST(moments_test, ctrl_c_with_a_handler_keeps_what_is_done) {
  std::cout << "seed " << seed << std::endl;  // flushed before the forks
  std::mt19937_64 random(seed);
  hold_back_ctrl_c(SIG_BLOCK);
  for (int k = 0; k < 200 && !::testing::Test::HasFailure(); ++k) {
    const group all(map_until_interrupted);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    all.send(SIGINT);
    EXPECT_EQ(all.wait(), 0);
  }
  hold_back_ctrl_c(SIG_UNBLOCK);
}

// The time for which all processes are stopped does not count against any task's limit.
TEST(moments_test, ctrl_z_and_fg) {
  const group all([] {
    const auto f = [](int i) {
      for (int k = 0; k < 40; ++k) std::this_thread::sleep_for(5ms);  // for some tasks, mostly after the stop
      return 2 * i;
    };
    // Progress wakes the supervisor soon after the stop.
    const auto report = [](const parmap::progress&) {};
    check_all(parmap::map(f, std::views::iota(0, 20), {.reporter = report, .timeout = 900ms, .workers = 4}), 20);
    ::_exit(leftovers::has_children() ? 2 : 0);
  });
  for (int k = 0; k < 2; ++k) {
    std::this_thread::sleep_for(100ms);
    all.send(SIGTSTP);
    EXPECT_TRUE(WIFSTOPPED(all.wait(WUNTRACED)));
    std::this_thread::sleep_for(1200ms);
    all.send(SIGCONT);
  }
  EXPECT_EQ(all.wait(), 0);
}

}  // namespace
