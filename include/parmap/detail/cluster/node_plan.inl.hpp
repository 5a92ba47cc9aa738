// SPDX-License-Identifier: MIT
// The bodies of node_plan.hpp.
#pragma once

#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/system/linux/cgroup_quota.hpp>
#include <parmap/detail/system/linux/cpu_mask.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE unsigned long number_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : 0;
}

PARMAP_INLINE void say_on_stderr(const std::string& text) noexcept {
  // If stderr takes nothing there is nobody to tell.
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

PARMAP_INLINE std::chrono::milliseconds patience_with_ranks() {
  if (const char* const text = std::getenv("PARMAP_MPI_PATIENCE_FOR_TESTS"); text != nullptr)
    return std::chrono::milliseconds(std::strtol(text, nullptr, 10));
  return std::chrono::seconds(10);
}

// The numbers in "0-3,8", counted; 0 if there are none.
PARMAP_INLINE unsigned count_in_list(const std::string& text) {
  unsigned count = 0;
  for (const char* at = text.c_str(); *at >= '0' && *at <= '9';) {
    char* end = nullptr;
    const unsigned long first = std::strtoul(at, &end, 10);
    const unsigned long last = *end == '-' ? std::strtoul(end + 1, &end, 10) : first;
    count += static_cast<unsigned>(last - first + 1);
    at = *end == ',' ? end + 1 : end;
  }
  return count;
}

// Slurm says it. Otherwise it is what the cgroup allows (a container, a batch system), or the whole machine.
PARMAP_INLINE unsigned allocated_cores() {
  if (const unsigned long cores = number_in_environment("SLURM_CPUS_ON_NODE"); cores > 0)
    return static_cast<unsigned>(cores);
  const std::string groups = text_of_file("/proc/self/cgroup");
  if (const auto v2 = groups.find("0::"); v2 != std::string::npos) {
    const std::string path = groups.substr(v2 + 3, groups.find('\n', v2) - v2 - 3);
    if (const unsigned cores = count_in_list(text_of_file("/sys/fs/cgroup" + path + "/cpuset.cpus.effective"));
        cores > 0)
      return cores;
  }
  return static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

PARMAP_INLINE std::vector<unsigned long> words_of(const cpu_mask& mask) {
  std::vector<unsigned long> words(mask.bytes() / sizeof(unsigned long));
  if (!words.empty()) std::memcpy(words.data(), mask.get(), mask.bytes());
  while (!words.empty() && words.back() == 0) words.pop_back();
  return words;
}

PARMAP_INLINE std::string name_of_this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

PARMAP_INLINE std::string place_of_rank(int rank, int size) {
  return size > 1 ? "rank " + std::to_string(rank) + " on " + name_of_this_host() : std::string();
}

PARMAP_INLINE host_facts host_of_this_rank(int rank, int size) {
  host_facts all;
  all.host = name_of_this_host();
  // The second part tells machines apart that have the same name.
  all.key = all.host + ' ' + text_of_file("/proc/sys/kernel/random/boot_id");
  if (const unsigned long nodes = number_in_environment("PARMAP_MPI_NODES_FOR_TESTS"); nodes > 0) {
    const auto number = static_cast<std::uint64_t>(rank) * nodes / static_cast<std::uint64_t>(size);
    all.host += '/' + std::to_string(number);
    all.key += all.host;
  }
  all.mask = words_of(affinity());
  all.quota = cores_by_quota();
  all.allocated = allocated_cores();
  return all;
}

PARMAP_INLINE unsigned count_bits(const std::vector<unsigned long>& mask) {
  unsigned count = 0;
  for (const unsigned long word : mask) count += static_cast<unsigned>(std::popcount(word));
  return count;
}

PARMAP_INLINE unsigned node_plan::workers() const noexcept {
  unsigned all = 0;
  for (const job_node& each : nodes) all += each.workers;
  return all;
}

PARMAP_INLINE node_plan plan_nodes(const std::vector<host_facts>& ranks, bool each_rank, unsigned most) {
  node_plan plan;
  std::vector<const std::string*> keys;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const host_facts& mine = ranks[rank];
    const auto known = std::ranges::find_if(keys, [&](const std::string* key) { return *key == mine.key; });
    const auto at = static_cast<std::size_t>(known - keys.begin());
    if (known == keys.end() || each_rank) {
      keys.push_back(&mine.key);
      plan.nodes.push_back({{}, mine.host, {}, 0, mine.allocated});
    }
    job_node& its = each_rank ? plan.nodes.back() : plan.nodes[at];
    its.ranks.push_back(static_cast<int>(rank));
    its.mask.resize(std::max(its.mask.size(), mine.mask.size()));
    for (std::size_t k = 0; k < mine.mask.size(); ++k) its.mask[k] |= mine.mask[k];
    if (each_rank) {
      its.workers = 1;
      its.mask.clear();
    }
  }
  if (each_rank) return plan;
  for (job_node& each : plan.nodes) {
    unsigned cores = std::max(1U, count_bits(each.mask));
    const double quota = ranks[static_cast<std::size_t>(each.ranks.front())].quota;
    if (quota > 0) cores = std::clamp(static_cast<unsigned>(quota + 0.999), 1U, cores);
    each.workers = most != 0 ? most : cores;
  }
  return plan;
}

PARMAP_INLINE std::string describe_nodes(const node_plan& plan, std::size_t ranks, bool warns) {
  const auto counted = [](std::size_t n, const char* what) {
    return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
  };
  std::vector<const std::string*> hosts;
  for (const job_node& each : plan.nodes)
    if (std::ranges::none_of(hosts, [&](const std::string* one) { return *one == each.host; }))
      hosts.push_back(&each.host);
  std::string text = "parmap: " + counted(hosts.size(), "node") + ", " + counted(plan.workers(), "worker") + " (" +
                     counted(ranks, "rank") + ")\n";
  if (!warns) return text;
  for (const job_node& each : plan.nodes) {
    const unsigned usable = count_bits(each.mask);
    if (usable == 0 || each.allocated <= usable) continue;
    text += "parmap: rank" + std::string(each.ranks.size() == 1 ? " " : "s ") + describe_ranks(each.ranks) + " (" +
            each.host + ") may use " + std::to_string(usable) + " of " + std::to_string(each.allocated) +
            " CPUs: srun -c " + std::to_string(each.allocated) + ", or mpirun --bind-to none --map-by ppr:1:node\n";
    break;
  }
  return text;
}

PARMAP_INLINE std::string describe_ranks(const std::vector<int>& sorted) {
  std::string text;
  for (std::size_t k = 0; k < sorted.size();) {
    std::size_t last = k;
    while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += std::to_string(sorted[k]);
    if (last > k) text += (last > k + 1 ? "-" : ", ") + std::to_string(sorted[last]);
    k = last + 1;
  }
  return text;
}

// A refused call costs speed only: the tasks run on the cores that the rank has.
PARMAP_INLINE wider_affinity::wider_affinity(const std::vector<unsigned long>& mask) {
  if (mask.empty()) return;
  const cpu_mask now = affinity();
  before_.resize(now.bytes() / sizeof(unsigned long));
  if (before_.empty()) return;
  std::memcpy(before_.data(), now.get(), now.bytes());
  static_cast<void>(
      ::sched_setaffinity(0, mask.size() * sizeof(unsigned long), reinterpret_cast<const cpu_set_t*>(mask.data())));
}
PARMAP_INLINE wider_affinity::~wider_affinity() {
  if (before_.empty()) return;
  static_cast<void>(::sched_setaffinity(0, before_.size() * sizeof(unsigned long),
                                        reinterpret_cast<const cpu_set_t*>(before_.data())));
}

PARMAP_INLINE std::string wrong_launcher() {
  struct hint {
    const char* variable;
    unsigned long least;  // the value that says that there is more than one process
  };
  // A step's variables come before the job's: `srun -n 1` in a job of four tasks is right.
  constexpr std::array<hint, 6> hints{{{"OMPI_COMM_WORLD_SIZE", 2},
                                       {"PMI_SIZE", 2},
                                       {"PMI_RANK", 1},
                                       {"PMIX_RANK", 1},
                                       {"SLURM_STEP_NUM_TASKS", 2},
                                       {"SLURM_NTASKS", 2}}};
  for (const hint& each : hints) {
    if (number_in_environment(each.variable) < each.least) {
      if (std::strcmp(each.variable, "SLURM_STEP_NUM_TASKS") == 0 && std::getenv(each.variable) != nullptr) break;
      continue;
    }
    return std::string("parmap: MPI has one rank here, but ") + each.variable + '=' + std::getenv(each.variable) +
           " says that several were started: each would run the whole map alone. Start the program by the mpirun of "
           "the MPI that it is linked with, or by srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH); into a "
           "container pass the variables PMIX_* and PMI_*. If one rank is meant, unset " +
           each.variable;
  }
  return {};
}

}  // namespace parmap::inline PARMAP_ABI::detail
