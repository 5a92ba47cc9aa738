// SPDX-License-Identifier: MIT
// on_cores N PROGRAM [WORD...]: runs the program on N of the cores that this process may use, so that no peer can use
// more, even if it starts more threads. It takes one hardware thread of each core first, then the second ones.
// on_cores count: prints how many there are. on_cores describe: prints the machine, as members of a JSON object.
#include <parmap/detail/schedule/usable_cores.hpp>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

// The rank of a hardware thread within its core: 0, 1 ...; 0 if the kernel does not tell.
std::size_t rank_within_core(std::size_t cpu) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
  std::string all;
  if (!std::getline(file, all)) return 0;
  std::size_t rank = 0;  // "0,8" or "0-1"
  for (std::size_t at = 0; at < all.size();) {
    char* end = nullptr;
    const std::size_t from = std::strtoul(all.c_str() + at, &end, 10);
    const std::size_t to = *end == '-' ? std::strtoul(end + 1, &end, 10) : from;
    if (cpu <= to) return rank + (cpu - std::min(cpu, from));
    rank += to - from + 1;
    at = static_cast<std::size_t>(end - all.c_str()) + 1;
  }
  return 0;
}

cpu_set_t allowed() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_getaffinity");
  return set;
}

// The CPUs in the order in which they are taken, at most as many as the cgroup's quota allows.
std::vector<std::size_t> cores() {
  const cpu_set_t set = allowed();
  std::vector<std::pair<std::size_t, std::size_t>> ranked;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) ranked.emplace_back(rank_within_core(cpu), cpu);
  std::ranges::sort(ranked);
  std::vector<std::size_t> all;
  for (const auto& [rank, cpu] : ranked) all.push_back(cpu);
  all.resize(std::min<std::size_t>(all.size(), parmap::detail::usable_cores()));
  return all;
}

std::string model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

void describe() {
  const auto all = cores();
  const double gib = 1 << 30;
  const double memory = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  utsname system{};
  if (::uname(&system) != 0) throw std::system_error(errno, std::generic_category(), "uname");
  const auto first = std::ranges::count_if(all, [](std::size_t cpu) { return rank_within_core(cpu) == 0; });
  const cpu_set_t set = allowed();
  std::printf(R"("cores": %zu, "physical": %td, "allowed": %d, "model": "%s", "gb": %.0f, "kernel": "%s")"
              "\n",
              all.size(), first, CPU_COUNT(&set), model().c_str(), memory / gib, system.release);
}

void run(std::size_t wanted, char** command) {
  const auto all = cores();
  if (wanted < 1 || wanted > all.size())
    throw std::runtime_error("there are 1 to " + std::to_string(all.size()) + " cores");
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  for (std::size_t k = 0; k < wanted; ++k) CPU_SET(all[k], &chosen);
  if (::sched_setaffinity(0, sizeof chosen, &chosen) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
  ::execv(command[0], command);
  throw std::system_error(errno, std::generic_category(), command[0]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string word = argc > 1 ? argv[1] : "";
    if (word == "describe") describe();
    else if (word == "count") std::printf("%zu\n", cores().size());
    else if (argc > 2) run(std::stoul(word), argv + 2);
    else throw std::runtime_error("usage: on_cores N PROGRAM [WORD...] | count | describe");
    return 0;
  } catch (const std::exception& why) {
    std::cerr << "on_cores: " << why.what() << '\n';
    return 1;
  }
}
