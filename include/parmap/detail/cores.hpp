// SPDX-License-Identifier: MIT
// How many cores this process may use: CPU affinity and the cgroup's quota.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace parmap::detail {

inline unsigned cores_by_affinity() {
  // The kernel refuses a mask smaller than its own, so grow until it fits.
  for (std::size_t cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    std::vector<unsigned long> mask(cpus / (8 * sizeof(unsigned long)));
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (::sched_getaffinity(0, cpus / 8, set) == 0)
      return static_cast<unsigned>(std::max(1, CPU_COUNT_S(cpus / 8, set)));
    if (errno != EINVAL) break;
  }
  return static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

// Cores the quota of one cgroup directory is worth; 0 if it sets none.
inline double quota_of(const std::string& directory) {
  double quota = 0;
  double period = 0;
  if (std::ifstream v2(directory + "/cpu.max"); v2 >> quota >> period && period > 0) return quota / period;
  std::ifstream v1_quota(directory + "/cpu.cfs_quota_us");
  std::ifstream v1_period(directory + "/cpu.cfs_period_us");
  if (v1_quota >> quota && v1_period >> period && quota > 0 && period > 0) return quota / period;
  return 0;
}

// The tightest quota from this process's cgroup up to the root; 0 if there is none.
inline double cores_by_quota() {
  double tightest = 0;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // hierarchy:controllers:path; cgroup v2 has no controllers
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',';
    std::string root;
    if (controllers == ",,") root = "/sys/fs/cgroup";
    else if (controllers.find(",cpu,") != std::string::npos) root = "/sys/fs/cgroup/cpu";
    else continue;
    std::string path = line.substr(second + 1);
    for (;;) {
      const double quota = quota_of(root + path);
      if (quota > 0 && (tightest == 0 || quota < tightest)) tightest = quota;
      const auto slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return tightest;
}

// Set in a worker process: its cores are taken.
inline std::atomic<bool>& inside_worker() noexcept {
  static std::atomic<bool> inside{false};
  return inside;
}

// At least 1. Read once a process.
inline unsigned usable_cores() {
  static const unsigned cores = [] {
    const unsigned affinity = cores_by_affinity();
    const double quota = cores_by_quota();
    return quota > 0 ? std::clamp(static_cast<unsigned>(std::ceil(quota)), 1U, affinity) : affinity;
  }();
  return inside_worker().load(std::memory_order_relaxed) ? 1 : cores;
}

}  // namespace parmap::detail
