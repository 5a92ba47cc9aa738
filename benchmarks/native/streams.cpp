// SPDX-License-Identifier: MIT
// One measurement of benchmarks/streams.py, in its own process: streams WAY WORKLOAD N, on two workers. Prints the wall
// seconds and the CPU seconds of this process and its children; for the workload `first`, until the first result.
#include "cpu_time.hpp"

#include <parmap/parmap.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using bench::cpu_seconds;

parmap::options options_of(std::string_view way) {
  parmap::options chosen;
  chosen.ordered = way.starts_with("ordered");
  chosen.reporter = parmap::report::silent;
  chosen.seed = 1;
  chosen.workers = 2;
  return chosen;
}

std::uint64_t weight(std::uint64_t value) { return value; }
std::uint64_t weight(const std::string& value) { return value.size(); }

// Takes every result, or only the first. Returns a sum that depends on them.
template <class Engine, class F>
std::uint64_t take(const Engine& engine, std::string_view way, const F& f, unsigned n, bool only_first) {
  const parmap::options chosen = options_of(way);
  const auto in = std::views::iota(0U, n);
  std::uint64_t sum = 0;
  if (way.starts_with("map")) {
    const auto all = parmap::map(engine, f, in, chosen);
    for (const auto& each : all.values()) sum += weight(each);
    return sum;
  }
  for (auto&& each : parmap::stream(engine, f, in, chosen)) {
    sum += weight(*each.outcome);
    if (only_first) break;
  }
  return sum;
}

template <class F>
int measure(std::string_view way, const F& f, unsigned n, bool only_first) {
  const double cpu = cpu_seconds();
  const auto begun = std::chrono::steady_clock::now();
  const std::uint64_t sum = way.ends_with("threads") ? take(parmap::threads, way, f, n, only_first)
                                                     : take(parmap::multi, way, f, n, only_first);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
  std::printf("%.9f %.9f\n", wall.count(), cpu_seconds() - cpu);
  return sum == 1 ? 1 : 0;  // so that the sum is needed
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: streams map|stream|ordered[_threads] u64|strings|large|first N\n";
    return 2;
  }
  const std::string_view way = argv[1];
  const std::string_view workload = argv[2];
  const auto n = static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10));
  const auto text = [](std::size_t size) {
    return [size](unsigned i) { return std::string(size, static_cast<char>('a' + i % 26)); };
  };
  if (workload == "strings") return measure(way, text(30), n, false);
  if (workload == "large") return measure(way, text(100'000), n, false);
  return measure(way, [](unsigned i) { return std::uint64_t{i} * i + 2; }, n, workload == "first");
}
