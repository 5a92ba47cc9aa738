// SPDX-License-Identifier: MIT
// What a trace costs: traces WAY ENGINE TASKS MICROSECONDS prints the wall time of a map of such tasks, the CPU time of
// all its processes, and the instructions that they executed (0 where the machine does not tell). WAY: plain, times or
// trace. ../traces.py calls it.
#include "cpu_time.hpp"

#include <parmap/parmap.hpp>

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string>
#include <string_view>

namespace {

using clock_type = std::chrono::steady_clock;

using bench::cpu_seconds;

// Of this process and all that it starts; -1 if the machine does not tell.
int count_instructions() {
  perf_event_attr what{};
  what.type = PERF_TYPE_HARDWARE;
  what.size = sizeof what;
  what.config = PERF_COUNT_HW_INSTRUCTIONS;
  what.inherit = 1;
  what.exclude_kernel = 1;
  return static_cast<int>(::syscall(SYS_perf_event_open, &what, 0, -1, -1, 0));
}

// A fixed amount of work, so that instructions can be compared.
std::uint64_t work(std::uint64_t steps, std::uint64_t x) {
  for (std::uint64_t k = 0; k < steps; ++k) x = x * 6364136223846793005U + 1442695040888963407U;
  return x;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const std::string_view way = arguments[1];
  const std::string_view engine = arguments[2];
  const auto n = static_cast<std::uint64_t>(std::atoll(arguments[3]));
  constexpr std::uint64_t steps_in_a_us = 800;  // about, at 4 cycles each
  const std::uint64_t steps = steps_in_a_us * static_cast<std::uint64_t>(std::atoll(arguments[4]));
  parmap::options chosen{.reporter = parmap::report::silent, .seed = 1};
  const std::string path = (std::filesystem::temp_directory_path() / ("trace-" + std::to_string(::getpid()))).string();
  if (way == "times") chosen.times = true;
  if (way == "trace") chosen.trace = path;
  const auto f = [steps](std::uint64_t x) { return work(steps, x); };
  const int counter = count_instructions();
  const auto begun = clock_type::now();
  const double cpu = cpu_seconds();
  const auto made = parmap::map(parmap::engine_named(engine), f, std::views::iota(std::uint64_t{0}, n), chosen);
  const std::chrono::duration<double> wall = clock_type::now() - begun;
  const double spent = cpu_seconds() - cpu;
  std::uint64_t instructions = 0;
  if (counter < 0 || ::read(counter, &instructions, sizeof instructions) != sizeof instructions) instructions = 0;
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".status");
  std::printf("%.9f %.9f %llu\n", wall.count(), spent, static_cast<unsigned long long>(instructions));
  return made.ok() ? 0 : 1;
}
