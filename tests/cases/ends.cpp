// SPDX-License-Identifier: MIT
// What maps once left behind, or ended though it was not theirs.
#include "cases.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace cases {
namespace {

using namespace std::chrono_literals;

// -1 without children, 0 if one lives, else the number of zombies, which are reaped.
int children() {
  int zombies = 0;
  for (;;) {
    const pid_t got = ::waitpid(-1, nullptr, WNOHANG);
    if (got == 0) return 0;
    if (got < 0) return zombies == 0 ? -1 : zombies;
    ++zombies;
  }
}

// A task of its own: forks a process that forks and detaches another, whose number it returns.
pid_t start_daemon() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return 0;
  if (::fork() == 0) {
    if (::fork() == 0) {
      ::setsid();
      const pid_t self = ::getpid();
      static_cast<void>(!::write(ends[1], &self, sizeof self));
      for (;;) ::pause();
    }
    ::_exit(0);
  }
  pid_t daemon = 0;
  static_cast<void>(!::read(ends[0], &daemon, sizeof daemon));
  return daemon;
}

bool earlier_tasks_daemon() {
  const auto f = [](int i) -> pid_t {
    if (i == 0) return start_daemon();
    for (;;) ::pause();
  };
  const auto all = parmap::map(f, std::vector<int>{0, 1}, {.timeout = 300ms, .workers = 1});
  const pid_t daemon = *all.get_if(0);
  const bool lives = daemon > 0 && ::kill(daemon, 0) == 0;
  print("the daemon of task 0 %s; %s", lives ? "lives" : "is DEAD", first_of(all.failures()).c_str());
  if (lives) ::kill(daemon, SIGKILL);
  return lives && all.failures().size() == 1;
}

bool zombies_of_late_tasks() {
  if (::getpid() != 1) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto f = [](int i) {
    if (i % 2 == 0) return i;
    if (::fork() == 0)
      for (;;) ::pause();
    for (;;) ::pause();
  };
  const auto all = parmap::map(f, std::vector<int>{0, 1, 2, 3, 4, 5}, {.timeout = 200ms, .workers = 2});
  const int left = children();
  print("pid %d: %zu failures, %s", ::getpid(), std::size_t{all.failures().size()},
        left == -1  ? "no child left"
        : left == 0 ? "a child LIVES"
                    : "ZOMBIES left");
  return all.failures().size() == 3 && left == -1;
}

// Each late task has a tree that forks and reaps all the time, while this program has children that are none of the
// map's. Pids are scarce.
bool pids_used_again() {
  if (::getpid() == 1) {
    std::ofstream("/proc/sys/kernel/pid_max") << 520;
  }
  std::atomic<bool> over{false};
  int made = 0;
  int killed = 0;
  std::thread other([&] {
    std::deque<pid_t> mine;
    const auto bury_one = [&] {
      int status = 0;
      ::waitpid(mine.front(), &status, 0);
      killed += WIFSIGNALED(status) ? 1 : 0;
      mine.pop_front();
    };
    while (!over) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::usleep(20'000);
        ::_exit(0);
      }
      if (child > 0) {
        mine.push_back(child);
        ++made;
      }
      while (mine.size() > 90) bury_one();
    }
    while (!mine.empty()) bury_one();
  });
  const auto f = [](int) -> int {
    for (int k = 0; k < 25; ++k)
      if (::fork() == 0)
        for (;;) {
          const pid_t child = ::fork();
          if (child == 0) ::_exit(0);
          if (child > 0) ::waitpid(child, nullptr, 0);
          else ::usleep(1000);
        }
    for (;;) ::pause();
  };
  int maps = 0;
  for (const auto until = std::chrono::steady_clock::now() + 3s; std::chrono::steady_clock::now() < until;) try {
      static_cast<void>(parmap::map(f, std::vector<int>{0, 1}, {.timeout = 60ms, .workers = 1}));
      ++maps;
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no pid was free
    }
  over = true;
  other.join();
  print("%d maps, %d children of the caller, %d of them killed", maps, made, killed);
  return maps > 0 && made > 0 && killed == 0;
}

// The caller is cancelled at a random moment of one map after the other.
bool cancelled_caller() {
  std::minstd_rand random(20261129);  // NOLINT(cert-msc32-c, cert-msc51-cpp): the same moments each time
  for (int round = 0; round < 12; ++round) {
    static int kind;
    kind = round % 3;
    pthread_t caller{};
    ::pthread_create(
        &caller, nullptr,
        [](void*) -> void* {
          const auto f = [](int i) {
            if (kind == 1 && i % 3 == 1) std::abort();
            ::usleep(kind == 2 ? 30'000 : 500);
            return i;
          };
          parmap::options chosen{.workers = 3};
          if (kind == 2) chosen.timeout = 10ms;
          for (;;) static_cast<void>(parmap::map(f, std::vector<int>(20, 1), chosen));
        },
        nullptr);
    ::usleep(static_cast<useconds_t>(10'000 + random() % 40'000));
    ::pthread_cancel(caller);
    ::pthread_join(caller, nullptr);
    if (children() != -1) {
      print("round %d: a child is LEFT", round);
      return false;
    }
  }
  print("12 rounds: the program lives, no child is left");
  return true;
}

bool reporter_closes_descriptors() {
  constexpr int tasks = 20;
  void* const shared = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* const begun = static_cast<std::atomic<int>*>(shared);
  std::uninitialized_value_construct_n(begun, tasks);
  std::vector<int> x(tasks);
  for (int i = 0; i < tasks; ++i) x[static_cast<std::size_t>(i)] = i;
  bool closed = false;
  std::string outcome = "the map RETURNED";
  try {
    const auto f = [begun](int i) {
      ++begun[i];
      ::usleep(50'000);
      return i;
    };
    const auto close_all = [&closed](const parmap::progress&) {
      for (int fd = 3; fd < 1024 && !closed; ++fd) ::close(fd);
      closed = true;
    };
    static_cast<void>(parmap::map(f, x, {.reporter = close_all, .workers = 2}));
  } catch (const std::exception& error) {
    outcome = error.what();
  }
  const bool once = std::all_of(begun, begun + tasks, [](const auto& each) { return each <= 1; });
  const int left = children();
  print("%s; each task began once at most: %d; children: %s", outcome.c_str(), static_cast<int>(once),
        left == -1 ? "none" : "LEFT");
  return closed && once && left == -1 && outcome.find("has closed a file descriptor") != std::string::npos;
}

bool what_a_worker_inherits() {
  // The shell's own: 0, 1, 2 and, while it reads the folder, one more.
  const auto descriptors = [](int) { return ::system("test $(ls /proc/self/fd | wc -l) -le 4"); };
  const auto first = parmap::map(descriptors, std::vector<int>{1}, {.workers = 1});
  const auto held = parmap::map([](int i) { return i; }, std::vector<int>{4, 5, 6});
  std::atomic<bool> other_over{false};
  std::string other_saw;
  std::thread other([&] {
    const auto writable = [](int i) {
      ::usleep(200'000);
      int count = 0;
      std::ifstream maps("/proc/self/maps");
      for (std::string line; std::getline(maps, line);)
        if (line.find("/dev/zero (deleted)") != std::string::npos && line.find(" rw-s ") != std::string::npos) ++count;
      return i + count;
    };
    const auto all = parmap::map(writable, std::vector<int>{0, 0}, {.workers = 2});
    other_saw = std::to_string(all.value()[0]);
    other_over = true;
  });
  while (!other_over)
    static_cast<void>(parmap::map([](int i) { return 2 * i; }, std::vector<int>(100, 1), {.workers = 2}));
  other.join();
  print("descriptors beyond 0, 1, 2: %s; shared mappings that a worker beside other maps can write: %s (its own are 2)",
        first[0] == 0 ? "none" : "SOME", other_saw.c_str());
  return first[0] == 0 && other_saw == "2" && held[1] == 5;
}

}  // namespace

std::vector<input> ends() {
  return {
      {"earlier_tasks_daemon", "a timeout leaves alone what another, successful task has started",
       earlier_tasks_daemon},
      {"zombies_of_late_tasks", "no zombie is left with a caller that is a subreaper or PID 1", zombies_of_late_tasks},
      {"pids_used_again", "no process that is not the map's is killed", pids_used_again},
      {"cancelled_caller", "pthread_cancel ends the map and its workers, not the program", cancelled_caller},
      {"reporter_closes_descriptors", "the map throws, no task begins twice, no worker is left",
       reporter_closes_descriptors},
      {"what_a_worker_inherits", "no descriptor, and no memory of other maps that it can write",
       what_a_worker_inherits}};
}

}  // namespace cases
