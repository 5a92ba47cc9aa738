// SPDX-License-Identifier: MIT
// How evenly threads and multi spread uneven work: the share of the ideal time (serial's, divided by the cores) for
// workloads of known shape. Runs take turns; medians and spread are printed as a Markdown table.
//
//     balance [--only NAME] [--runs N]
#include <parmap/detail/cores.hpp>
#include <parmap/parmap.hpp>

#include <stdlib.h>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <limits>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr double target_percent = 95;

// The work of a task: so many steps of a recurrence that nobody can shorten. Time is proportional to the steps, and is
// work of the processor alone: whoever is interrupted has not done it meanwhile, as with a loop that watches the clock.
// A thread's next task goes on from its last one, or the processor would run the end of one and the begin of the next
// at the same time, and short tasks would take less than their share.
thread_local std::uint64_t last = 0;
[[gnu::noinline]] std::uint32_t spin(std::uint32_t steps) {
  std::uint64_t x = last;
  for (std::uint32_t k = 0; k < steps; ++k) x = x * 6364136223846793005U + 1442695040888963407U;
  last = x;
  return steps;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The fastest of some tries: the others were disturbed.
double measure_steps_per_ns() {
  constexpr std::uint32_t steps = 4'000'000;
  double least = std::numeric_limits<double>::infinity();
  for (int k = 0; k < 20; ++k) {
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(spin(steps));
    least = std::min(least, seconds_since(start));
  }
  return steps / (least * 1e9);
}

struct workload {
  std::string name;
  bool has_target{};
  bool even{};                  // all tasks alike
  std::vector<double> costs{};  // of each task, in any unit until scale_to gives them ns
};

// Every cost times the same factor, so that their sum is `total` ns.
workload scaled_to(double total, workload what) {
  double sum = 0;
  for (const double cost : what.costs) sum += cost;
  for (double& cost : what.costs) cost *= total / sum;
  return what;
}

// n tasks of cost(i).
template <class Cost>
std::vector<double> tasks(std::size_t n, Cost&& cost) {
  std::vector<double> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = cost(i);
  return all;
}

std::vector<workload> make_workloads(unsigned cores) {
  constexpr std::size_t n = 10'000;
  constexpr double total = 150e6;
  constexpr double heavy = 100;  // times as much as a light task
  // A single heavy task takes two thirds of the ideal time: the ideal can be reached, if it is begun early enough.
  const double share = 2.0 / 3 / cores;
  const double single = n * share / (1 - share);
  std::mt19937_64 random(1);
  const auto pareto = [&random, single] {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;  // the same on every machine, unlike std's
    return std::min(std::pow(1 - u, -1 / 1.2), single);
  };
  return {
      {"100 ns each", true, true, tasks(1'000'000, [](std::size_t) { return 100.0; })},
      scaled_to(total, {"growing", true, false, tasks(n, [](std::size_t i) { return static_cast<double>(i); })}),
      scaled_to(total, {"falling", true, false, tasks(n, [](std::size_t i) { return static_cast<double>(n - i); })}),
      scaled_to(total,
                {"heavy first 5 %", true, false, tasks(n, [](std::size_t i) { return i < n / 20 ? heavy : 1.0; })}),
      scaled_to(total,
                {"one heavy last", true, false, tasks(n, [=](std::size_t i) { return i == n - 1 ? single : 1.0; })}),
      scaled_to(total,
                {"heavy middle 5 %", true, false,
                 tasks(n, [](std::size_t i) { return i >= n / 2 - n / 40 && i < n / 2 + n / 40 ? heavy : 1.0; })}),
      scaled_to(total, {"one heavy in the middle", false, false,
                        tasks(n, [=](std::size_t i) { return i == n / 2 ? single : 1.0; })}),
      scaled_to(total, {"Pareto", false, false, tasks(n, [&](std::size_t) { return pareto(); })}),
  };
}

// The times of one engine with one workload.
class times {
 public:
  void add(double seconds) {
    all_.push_back(seconds);
    std::ranges::sort(all_);
  }
  [[nodiscard]] double least() const { return all_.front(); }
  [[nodiscard]] double most() const { return all_.back(); }
  [[nodiscard]] double median() const { return (all_[(all_.size() - 1) / 2] + all_[all_.size() / 2]) / 2; }

 private:
  std::vector<double> all_;
};

// Adds the time of one map, and checks its results: each task returns its steps. Nothing is copied, as forks would copy
// it too.
template <class Engine>
void run_once(const Engine& engine, const std::vector<std::uint32_t>& steps, times& taken) {
  const auto start = std::chrono::steady_clock::now();
  const auto results = parmap::map(engine, spin, steps, {.report = parmap::report::silent});
  taken.add(seconds_since(start));
  if (!std::equal(steps.begin(), steps.end(), results.data()))
    throw std::runtime_error("the results of " + std::string(engine.name()) + " are wrong");
}

// What multi cannot beat on even work: the least that can be written by hand with forks, a fixed equal share for each
// core.
void run_by_hand(unsigned cores, const std::vector<std::uint32_t>& steps, times& taken) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t bytes = steps.size() * sizeof(std::uint32_t);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  auto* const results = static_cast<std::uint32_t*>(memory);
  for (std::size_t w = 0; w < cores; ++w) {
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child > 0) continue;
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(w, &own);
    ::sched_setaffinity(0, sizeof own, &own);
    for (std::size_t i = w * steps.size() / cores; i < (w + 1) * steps.size() / cores; ++i) results[i] = spin(steps[i]);
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
  taken.add(seconds_since(start));
  if (!std::equal(steps.begin(), steps.end(), results)) throw std::runtime_error("the results by hand are wrong");
  ::munmap(memory, bytes);
}

std::string load() {
  std::array<double, 1> average{};
  std::ostringstream text;
  if (::getloadavg(average.data(), 1) != 1) return "unknown";
  text << std::fixed << std::setprecision(2) << average[0];
  return text.str();
}

std::string percent(double ideal, const times& taken) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << 100 * ideal / taken.median() << " (" << 100 * ideal / taken.most()
       << " .. " << 100 * ideal / taken.least() << ')';
  return text.str();
}

// All of them, or the one called `only`.
std::vector<workload> choose_workloads(unsigned cores, std::string_view only) {
  std::vector<workload> chosen = make_workloads(cores);
  std::string names;
  for (const workload& each : chosen) names += "\n  " + each.name;
  if (!only.empty()) std::erase_if(chosen, [only](const workload& each) { return each.name != only; });
  if (chosen.empty()) throw std::invalid_argument("no workload \"" + std::string(only) + "\"; there are" + names);
  return chosen;
}

void run(std::string_view only, unsigned runs) {
  const unsigned cores = parmap::detail::usable_cores();
  std::vector<workload> workloads = choose_workloads(cores, only);
  const double steps_per_ns = measure_steps_per_ns();
  std::cout << cores << " cores, " << runs << " runs each, load before: " << load() << "\n\n"
            << "| workload | serial, ms | threads, % of ideal | multi, % of ideal |\n|---|---|---|---|\n"
            << std::fixed << std::setprecision(1);

  std::string missed;
  std::string floor;
  for (workload& each : workloads) {
    std::vector<std::uint32_t> steps(each.costs.size());
    std::ranges::transform(each.costs, steps.begin(),
                           [=](double ns) { return static_cast<std::uint32_t>(std::max(1.0, ns * steps_per_ns)); });
    each.costs = std::vector<double>();  // not to be a burden to the forks
    times serial;
    times threads;
    times multi;
    times by_hand;
    for (unsigned k = 0; k < runs; ++k) {
      run_once(parmap::serial, steps, serial);
      run_once(parmap::threads, steps, threads);
      run_once(parmap::multi, steps, multi);
      if (each.even) run_by_hand(cores, steps, by_hand);
    }

    const double ideal = serial.median() / cores;
    std::cout << "| " << each.name << (each.has_target ? "" : " (no target)") << " | " << 1e3 * serial.median() << " ("
              << 1e3 * serial.least() << " .. " << 1e3 * serial.most() << ") | " << percent(ideal, threads) << " | "
              << percent(ideal, multi) << " |" << std::endl;
    const auto judge = [&](std::string_view engine, const times& taken) {
      if (each.has_target && 100 * ideal / taken.median() < target_percent)
        missed += "- " + each.name + ", " + std::string(engine) + '\n';
    };
    if (each.even)
      floor = "A hand-written fork loop over fixed equal shares, each pinned to its core, on " + each.name + ": " +
              percent(ideal, by_hand) + " % of ideal\n";
    judge("threads", threads);
    judge("multi", multi);
  }
  std::cout << '\n'
            << floor << "Medians (least .. greatest). Load after: " << load() << "\nBelow the target of "
            << target_percent << " %:" << (missed.empty() ? " none\n" : "\n" + missed);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string_view only;
    unsigned runs = 9;
    for (int k = 1; k < argc; k += 2) {
      const std::string_view option = argv[k];
      if (k + 1 == argc) throw std::invalid_argument("usage: balance [--only NAME] [--runs N]");
      const std::string_view value = argv[k + 1];
      if (option == "--only") {
        only = value;
      } else if (option == "--runs") {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), runs);
        if (error != std::errc() || end != value.data() + value.size() || runs == 0)
          throw std::invalid_argument("--runs takes a number of at least 1");
      } else {
        throw std::invalid_argument("usage: balance [--only NAME] [--runs N]");
      }
    }
    run(only, runs);
    return 0;
  } catch (const std::invalid_argument& e) {
    std::cerr << "balance: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "balance: " << e.what() << '\n';
    return 1;
  }
}
