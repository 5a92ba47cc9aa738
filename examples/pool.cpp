// SPDX-License-Identifier: MIT
// Workers that stay: a sampler that calls a small map a thousand times, and tasks that are submitted one by one.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <utility>
#include <vector>

// A walker of the Metropolis algorithm: it moves through a double well, whose minima are at -1 and 1.
struct walker {
  double x{};
  std::uint64_t accepted{};
};

double energy(double x) { return 8 * (x * x - 1) * (x * x - 1); }

// Some moves of one walker. Its random numbers depend on the seed of the map and its place there alone.
walker advance(parmap::context& self, walker w) {
  std::normal_distribution<double> move(0, 0.5);
  std::uniform_real_distribution<double> uniform;
  for (int k = 0; k < 20; ++k) {
    const double next = w.x + move(self.rng());
    if (uniform(self.rng()) >= std::exp(energy(w.x) - energy(next))) continue;
    w.x = next;
    ++w.accepted;
  }
  return w;
}

template <class Engine>
std::vector<walker> sample(const Engine& engine, std::vector<walker> walkers, std::uint64_t steps) {
  for (std::uint64_t step = 0; step < steps; ++step)
    walkers = parmap::map(engine, advance, walkers, {.seed = step}).value();
  return walkers;
}

template <class Run>
double milliseconds(const Run& run) {
  const auto begun = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
}

// A simulation of which one case ends its process.
double simulate(double x) {
  if (x > 2) std::abort();
  return std::sqrt(x);
}

int pool(const example::arguments& chosen) {
  constexpr std::uint64_t steps = 1000;
  const parmap::pool workers({.workers = chosen.workers});

  const std::vector<walker> start(50);
  std::vector<walker> end;
  const double took = milliseconds([&] { end = sample(workers, start, steps); });
  double right = 0;
  for (const walker& each : end) right += each.x > 0 ? 1 : 0;
  std::cout << steps << " maps of " << start.size() << " walkers on " << workers.workers()
            << " workers that stay: " << took / static_cast<double>(steps) << " ms a map\n"
            << right << " of " << start.size() << " walkers are in the right well\n";
  const double forked = milliseconds([&] { static_cast<void>(sample(parmap::multi, start, 20)); });
  std::cout << "with workers that each map forks: " << forked / 20 << " ms a map\n";
  const std::vector<walker> same = sample(parmap::serial, start, 20);
  const std::vector<walker> here = sample(workers, start, 20);
  for (std::size_t k = 0; k < same.size(); ++k)
    if (same[k].x != here[k].x) return 1;
  std::cout << "the walkers are where a plain loop takes them\n\n";

  std::vector<parmap::future<double>> results;
  for (const double x : {1.0, 2.0, 3.0}) results.push_back(workers.submit(simulate, x));
  for (parmap::future<double>& each : results) {
    const parmap::outcome<double>& it = each.outcome();
    if (it) std::cout << "task " << each.number() << ": " << *it << '\n';
    else std::cout << it.error() << '\n';
  }
  return 0;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--workers N]", pool); }
