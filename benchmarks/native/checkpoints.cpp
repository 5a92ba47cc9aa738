// SPDX-License-Identifier: MIT
// What a checkpoint costs: checkpoints WHAT ENGINE TASKS FOLDER prints the wall time of one map, in seconds, and the
// CPU time of all its processes. ../checkpoints.py calls it.
//
//   plain, stored                 tasks of some ns that return a double, without and with a checkpoint
//   shuffled                      the same on two axes that an earlier run has stored in another order
//   resumed                       the same, and all tasks are stored
//   long, long-stored, long-both  tasks that wait 10 ms: plain; with a checkpoint; with a checkpoint and a trace
#include "cpu_time.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/parmap.hpp>

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>
#include <ranges>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

using bench::cpu_seconds;

double tiny(std::uint32_t a, std::uint32_t b) { return 0.5 * a + b; }

double waiting(std::uint32_t a, std::uint32_t b) {
  const timespec while_{0, 10'000'000};
  ::nanosleep(&while_, nullptr);
  return tiny(a, b);
}

std::vector<std::uint32_t> numbers(std::uint64_t n) {
  std::vector<std::uint32_t> all(n);
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const std::string_view what = arguments[1];
  const auto engine = parmap::engine_named(arguments[2]);
  const auto n = static_cast<std::uint64_t>(std::atoll(arguments[3]));
  const std::filesystem::path folder =
      std::filesystem::path(arguments[4]) / ("checkpoints-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "sweep.db").string();
  const bool waits = what.starts_with("long");
  const auto width = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  auto as = numbers(width);
  auto bs = numbers(n / width);

  const auto run = [&](parmap::options chosen) {
    chosen.reporter = parmap::report::silent;
    chosen.seed = 1;
    return parmap::map(engine, waits ? waiting : tiny, as, bs, chosen);
  };
  const auto with_store = [&] {
    parmap::options chosen;
    chosen.store = parmap::checkpoint(file, {.name = "f"});
    return chosen;
  };
  if (what == "shuffled") {
    std::stop_source source;
    source.request_stop();
    auto chosen = with_store();  // the order of the axes is stored, and no task runs
    chosen.stop = source.get_token();
    std::ignore = run(chosen);
    std::mt19937_64 random(1);
    std::ranges::shuffle(as, random);
    std::ranges::shuffle(bs, random);
  } else if (what == "resumed") {
    std::ignore = run(with_store());
  }
  parmap::options chosen;
  if (what != "plain" && what != "long") chosen = with_store();
  const std::string trace = (folder / "trace.json").string();
  if (what == "long-both") chosen.trace = trace;
  const double cpu = cpu_seconds();
  const auto begun = clock_type::now();
  const auto made = run(chosen);
  const std::chrono::duration<double> wall = clock_type::now() - begun;
  const double spent = cpu_seconds() - cpu;
  chosen = {};
  std::filesystem::remove_all(folder);
  std::printf("%.9f %.9f\n", wall.count(), spent);
  return made.ok() ? 0 : 1;
}
