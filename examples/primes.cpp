// SPDX-License-Identifier: MIT
// The same map on three engines: which of three million numbers are primes, and how long it takes to find out.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <ranges>
#include <string>
#include <vector>

bool is_prime(unsigned n) {
  if (n < 2) return false;
  for (unsigned d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

int primes(const example::arguments& chosen) {
  const auto candidates = std::views::iota(1U, 3'000'001U);  // three million numbers, none of them stored
  example::tell_if_busy();
  std::vector<std::ptrdiff_t> counts;
  double serial_seconds = 0;

  std::cout << "engine   seconds   speed-up   primes\n" << std::fixed;
  for (const std::string name : {"serial", "threads", "multi"}) {
    const auto engine = parmap::engine_named(name);
    const unsigned workers = name == "serial" ? 1 : chosen.workers;

    const auto start = std::chrono::steady_clock::now();
    const auto found = parmap::map(engine, is_prime, candidates, {.workers = workers});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    if (name == "serial") serial_seconds = seconds;
    counts.push_back(std::ranges::count(found.value(), true));
    std::cout << std::setw(7) << std::left << name << std::right << std::setw(9) << std::setprecision(3) << seconds
              << std::setw(11) << std::setprecision(2) << serial_seconds / seconds << std::setw(9) << counts.back()
              << '\n';
  }

  const bool agree = std::ranges::count(counts, counts.front()) == std::ssize(counts);
  std::cout << (agree ? "\nThe counts agree.\n" : "\nThe counts differ!\n");
  return agree ? 0 : 1;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--workers N]", primes); }
