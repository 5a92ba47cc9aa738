// SPDX-License-Identifier: MIT
// One measurement of benchmarks/pools.py, in its own process: pools WAY N, on two workers. Prints the median of the
// microseconds that a map of N tiny tasks takes; for N = 0, of submit and get.
#include <parmap/parmap.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

namespace {

std::uint64_t square(std::uint64_t x) { return x * x; }

template <class Act>
double median_microseconds(int calls, const Act& act) {
  act();
  std::vector<double> took;
  for (int call = 0; call < calls; ++call) {
    const auto begun = std::chrono::steady_clock::now();
    act();
    took.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count());
  }
  std::nth_element(took.begin(), took.begin() + calls / 2, took.end());
  return took[static_cast<std::size_t>(calls / 2)];
}

template <class Engine>
double of_map(const Engine& engine, const std::vector<std::uint64_t>& in, int calls) {
  const parmap::options chosen{.reporter = parmap::report::silent, .seed = 1, .workers = 2};
  return median_microseconds(calls, [&] {
    const auto all = parmap::map(engine, square, in, chosen).value();
    if (all.back() != square(in.back())) std::abort();
  });
}

double of_loop(const std::vector<std::uint64_t>& in, int calls) {
  return median_microseconds(calls, [&] {
    std::vector<std::uint64_t> all;
    for (const std::uint64_t x : in) all.push_back(square(x));
    if (all.back() != square(in.back())) std::abort();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: pools loop|threads|multi|pool N\n";
    return 2;
  }
  const std::string_view way = argv[1];
  const auto n = std::strtoul(argv[2], nullptr, 10);
  std::vector<std::uint64_t> in(n);
  for (std::size_t k = 0; k < n; ++k) in[k] = k;
  double found = 0;
  if (way == "pool") {
    const parmap::pool workers({.workers = 2});
    found = n > 0 ? of_map(workers, in, 2000) : median_microseconds(2000, [&] {
      if (workers.submit(square, std::uint64_t{3}).get() != 9) std::abort();
    });
  } else if (n == 0) {
    std::cerr << "only a pool has submit\n";
    return 2;
  } else if (way == "threads") {
    found = of_map(parmap::threads, in, 2000);
  } else if (way == "multi") {
    found = of_map(parmap::multi, in, 50);
  } else {
    found = of_loop(in, 2000);
  }
  std::printf("%.9f\n", found);
  return 0;
}
