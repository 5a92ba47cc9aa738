// SPDX-License-Identifier: MIT
// Maps at odd moments, in odd processes, with odd limits.
#include "cases.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace cases {
namespace {

using namespace std::chrono_literals;

const std::vector<int> six{0, 1, 2, 3, 4, 5};

bool shortest_limit() {
  const auto all = parmap::map([](int i) { return i; }, six, {.timeout = 1ns, .workers = 2});
  print("%zu values, %zu failures", all.values().size(), std::size_t{all.failures().size()});
  return all.values().size() + all.failures().size() == six.size();
}

bool longest_limit() {
  const auto f = [](parmap::context&, int i) {
    ::usleep(3000);
    return i;
  };
  const parmap::options chosen{.timeout = std::chrono::nanoseconds::max(), .workers = 2};
  const bool right =
      parmap::map(parmap::multi, f, six, chosen).ok() && parmap::map(parmap::threads, f, six, chosen).ok();
  print("%s", right ? "all values" : "VALUES are missing");
  return right;
}

// The first child is PID 1 of a new namespace, which ends with it.
bool own_pid_namespace() {
  if (::unshare(CLONE_NEWPID) != 0) {
    print("unshare is refused here");
    return true;
  }
  try {
    const auto all = parmap::map([](int i) { return i; }, six, {.workers = 2});
    print("%zu values, %zu failures", all.values().size(), std::size_t{all.failures().size()});
    return all.values().size() + all.failures().size() == six.size();
  } catch (const std::exception& error) {
    print("the map threw %s", error.what());
    return true;
  }
}

bool exit_in_a_thread_of_a_task() {
  const auto f = [](int i) {
    if (i == 1) std::thread([] { std::exit(3); }).join();
    if (i == 3) {
      std::thread([] { std::exit(4); }).detach();
      for (;;) ::pause();
    }
    return i;
  };
  const auto all = parmap::map(f, six, {.workers = 2});
  print("%zu values; %s", all.values().size(), first_of(all.failures()).c_str());
  return all.values().size() == 4 && all.failures()[0].index == 1 && all.failures()[1].index == 3;
}

// Runs while the program ends, so it tells the outcome by the exit status.
void map_at_the_end() {
  const auto f = [](int i) {
    if (i == 1) std::abort();
    if (i == 2) std::exit(3);
    return std::to_string(i);
  };
  const auto all = parmap::map(f, six, {.workers = 2});
  const auto threads = parmap::map(parmap::threads, [](int i) { return i; }, six, {.workers = 4});
  print("%zu values; threads: %zu values", all.values().size(), threads.values().size());
  std::fflush(stdout);
  ::_exit(all.values().size() == 4 && threads.ok() ? 0 : 1);
}

bool in_an_exit_handler() {
  std::atexit(map_at_the_end);
  std::exit(1);
}

struct maps_when_destroyed {
  maps_when_destroyed() = default;
  maps_when_destroyed(const maps_when_destroyed&) = delete;
  maps_when_destroyed& operator=(const maps_when_destroyed&) = delete;
  ~maps_when_destroyed() { map_at_the_end(); }
};

bool in_a_static_destructor() {
  static const maps_when_destroyed last;
  std::exit(1);
}

bool in_a_catch_block() {
  try {
    throw std::runtime_error("outer");
  } catch (const std::exception&) {
    const auto f = [](int i) {
      if (i == 1) throw 5;
      if (i == 2) ::pthread_exit(nullptr);
      if (i == 4) try {
          throw 3;
        } catch (int) {
          throw;
        }
      return i;
    };
    const auto all = parmap::map(f, six, {.workers = 2});
    print("%zu values; %s", all.values().size(), first_of(all.failures()).c_str());
    return all.values().size() == 3;
  }
}

bool many_workers() {
  const auto f = [](int i) {
    ::usleep(1000);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 3000), {.workers = 1500});
  bool right = all.ok();
  for (int i = 0; i < 3000 && right; ++i) right = all[static_cast<std::size_t>(i)] == i;
  print("%zu values", all.values().size());
  return right;
}

bool maps_with_a_crash_and_a_hang(int maps) {
  int right = 0;
  const auto f = [](int i) {
    if (i == 1) std::abort();
    while (i == 3) ::pause();
    return i;
  };
  for (int k = 0; k < maps; ++k) {
    const auto all = parmap::map(f, six, {.timeout = 100ms, .workers = 3});
    right += all.values().size() == 4 ? 1 : 0;
  }
  print("%d of %d maps are right", right, maps);
  return right == maps;
}

bool sigchld_ignored() {
  ::signal(SIGCHLD, SIG_IGN);
  return maps_with_a_crash_and_a_hang(10);
}

bool caller_reaps_all() {
  ::signal(SIGCHLD, [](int) {
    const int before = errno;
    while (::waitpid(-1, nullptr, WNOHANG | WUNTRACED | WCONTINUED) > 0) {
    }
    errno = before;
  });
  return maps_with_a_crash_and_a_hang(10);
}

}  // namespace

std::vector<input> callers() {
  const std::string four = "four values, two failures";
  return {{"limit_of_a_nanosecond", "each task has a value or a failure", shortest_limit},
          {"limit_of_292_years", "all values", longest_limit},
          {"caller_unshared_its_pids", "an end, by values or an exception", own_pid_namespace},
          {"exit_in_a_thread_of_a_task", "tasks 1 and 3 alone fail", exit_in_a_thread_of_a_task},
          {"map_in_an_exit_handler", four, in_an_exit_handler},
          {"map_in_a_static_destructor", four, in_a_static_destructor},
          {"map_in_a_catch_block", "three values", in_a_catch_block},
          {"workers_1500", "all values", many_workers},
          {"sigchld_ignored", "four values each time", sigchld_ignored},
          {"caller_reaps_every_child", "four values each time", caller_reaps_all}};
}

}  // namespace cases
