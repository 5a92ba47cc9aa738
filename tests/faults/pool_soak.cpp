// SPDX-License-Identifier: MIT
// The soak test of pools: maps, streams and submitted tasks of several threads on one pool, with faults, and with kills
// of its processes from outside; every outcome is checked, and nothing may be left. ./test --soak runs it.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <random>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

enum fault : int { none, throws, crashes, exits, hangs, large };

// What a task does, and what it returns: twice its number, as text.
std::string act(std::uint64_t number, int what) {
  if (what == throws) throw std::runtime_error("thrown");
  if (what == crashes) std::abort();
  if (what == exits) std::_Exit(3);
  while (what == hangs) std::this_thread::sleep_for(1s);
  return std::to_string(2 * number) + std::string(what == large ? 300'000 : 0, '.');
}

fault fault_of(std::mt19937_64& random) {
  switch (random() % 40) {
    case 0: return crashes;
    case 1: return exits;
    case 2: return throws;
    case 3: return random() % 8 == 0 ? hangs : none;
    case 4: return large;
    default: return none;
  }
}

void require(bool right, const std::string& what) {
  if (!right) throw std::logic_error(what);
}

// Whether this outcome is right for what the task was to do. A worker may have been killed from outside in it.
void check(std::uint64_t number, int what, const parmap::outcome<std::string>& it, bool kills) {
  if (it) {
    require(what == none || what == large, "a value of a task that fails");
    require(*it == act(number, what), "a wrong value");
    return;
  }
  const parmap::failure& why = it.error();
  const bool killed = kills && why.kind == parmap::failure::crashed;
  const bool right = (what == throws && why.kind == parmap::failure::threw) ||
                     (what == crashes && why.kind == parmap::failure::crashed) ||
                     (what == exits && why.kind == parmap::failure::exited) ||
                     (what == hangs && why.kind == parmap::failure::timed_out);
  require(killed || right, "a wrong failure of fault " + std::to_string(what) + ": " + why.message);
}

class user {
 public:
  user(const parmap::pool& workers, std::uint64_t seed, bool kills) : workers_(workers), random_(seed), kills_(kills) {}

  // One use of the pool, of a random kind.
  void step() {
    const std::size_t n = random_() % 60;
    std::vector<std::uint64_t> numbers(n);
    std::vector<int> faults(n);
    for (std::size_t k = 0; k < n; ++k) {
      numbers[k] = random_() % 1000;
      faults[k] = fault_of(random_);
    }
    switch (random_() % 4) {
      case 0: return map(numbers, faults);
      case 1: return stream(numbers, faults, n);
      case 2: return stream(numbers, faults, n / 2);
      default: return submit(numbers, faults);
    }
  }
  std::uint64_t tasks{};

 private:
  void map(const std::vector<std::uint64_t>& numbers, const std::vector<int>& faults) {
    const auto all = parmap::map(workers_, act, parmap::zip(numbers, faults), {.timeout = 500ms});
    require(all.size() == numbers.size(), "a map of another size");
    for (const auto& [k, it] : all.outcomes()) check(numbers[k], faults[k], it, kills_);
    tasks += numbers.size();
  }
  void stream(const std::vector<std::uint64_t>& numbers, const std::vector<int>& faults, std::size_t most) {
    std::vector<bool> seen(numbers.size());
    std::size_t taken = 0;
    for (auto&& [k, it] : parmap::stream(workers_, act, parmap::zip(numbers, faults), {.timeout = 500ms})) {
      if (taken++ == most) return;
      require(!seen[k], "an outcome twice");
      seen[k] = true;
      check(numbers[k], faults[k], it, kills_);
    }
    require(taken == numbers.size(), "outcomes are missing");
    tasks += taken;
  }
  void submit(const std::vector<std::uint64_t>& numbers, const std::vector<int>& faults) {
    std::vector<parmap::future<std::string>> all;
    all.reserve(numbers.size());
    for (std::size_t k = 0; k < numbers.size(); ++k) all.push_back(workers_.submit(act, numbers[k], faults[k]));
    std::vector<bool> ended(numbers.size());
    for (std::size_t k = 0; k < all.size(); k += 7) {
      if (random_() % 2 == 0) ended[k] = all[k].cancel();
      else all[k].kill();
    }
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto& it = all[k].outcome();
      const bool stopped = !it && it.error().kind == parmap::failure::stopped;
      require(!ended[k] || stopped, "a cancelled task has run");
      require(!stopped || k % 7 == 0, "a task was stopped that nobody stopped");
      if (!stopped) check(numbers[k], faults[k], it, kills_);
    }
    tasks += all.size();
  }

  const parmap::pool& workers_;
  std::mt19937_64 random_;
  bool kills_;
};

// The children of a process, as /proc has them.
std::vector<int> children_of(int pid) {
  const std::string id = std::to_string(pid);
  std::ifstream file("/proc/" + id + "/task/" + id + "/children");
  std::vector<int> all;
  for (int child = 0; file >> child;) all.push_back(child);
  return all;
}

// One life of a pool. Returns the number of tasks.
std::uint64_t live(std::uint64_t seed, std::chrono::steady_clock::time_point until) {
  std::mt19937_64 random(seed);
  const bool kills = random() % 2 == 0;
  const unsigned n = 1 + static_cast<unsigned>(random() % 4);
  const parmap::pool workers({.max_tasks = random() % 3 == 0 ? 50U : 0U, .timeout = 500ms, .workers = n});
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> tasks{0};
  std::vector<std::string> wrong(3);
  std::vector<std::thread> threads;
  threads.reserve(wrong.size());
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      user mine(workers, seed + t, kills);
      try {
        while (std::chrono::steady_clock::now() < until) mine.step();
      } catch (const std::exception& error) {
        wrong[t] = error.what();
      }
      tasks += mine.tasks;
    });
  std::thread killer([&] {
    while (kills && !over) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));
      for (const int supervisor : children_of(::getpid()))
        for (const int worker : children_of(supervisor))
          if (random() % 4 == 0) ::kill(worker, SIGKILL);
    }
  });
  for (std::thread& each : threads) each.join();
  over = true;
  killer.join();
  for (const std::string& each : wrong) require(each.empty(), each);
  return tasks;
}

}  // namespace

int main(int argc, char** argv) {
  double minutes = 10;
  std::uint64_t seed = std::random_device()();
  for (int k = 1; k + 1 < argc; k += 2) {
    if (std::string_view(argv[k]) == "--minutes") minutes = std::atof(argv[k + 1]);
    else if (std::string_view(argv[k]) == "--seed") seed = std::strtoull(argv[k + 1], nullptr, 10);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1UL);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double, std::ratio<60>>(minutes);
  const std::size_t fds = leftovers::open_fds();
  std::cout << "pool soak: seed " << seed << std::endl;
  std::uint64_t tasks = 0;
  std::uint64_t pools = 0;
  try {
    for (; std::chrono::steady_clock::now() < end; ++pools) {
      const auto until = std::min<std::chrono::steady_clock::time_point>(
          std::chrono::time_point_cast<std::chrono::steady_clock::duration>(end),
          std::chrono::steady_clock::now() + 10s);
      tasks += live(seed + 1000 * pools, until);
      require(!leftovers::has_children(), "a process is left");
      require(leftovers::open_fds() == fds, "a descriptor is left");
    }
  } catch (const std::exception& error) {
    std::cout << "pool " << pools << ", seed " << seed + 1000 * pools << ": " << error.what() << std::endl;
    return 1;
  }
  std::cout << pools << " pools, " << tasks << " tasks: all right" << std::endl;
  return 0;
}
