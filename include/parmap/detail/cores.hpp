// SPDX-License-Identifier: MIT
// How many cores this process may use: CPU affinity and the cgroup's quota.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace parmap::detail {

// A set of cores of any size.
class cpu_mask {
 public:
  explicit cpu_mask(std::size_t cpus) : words_(cpus / word_bits) {}

  [[nodiscard]] std::size_t cpus() const noexcept { return words_.size() * word_bits; }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }
  [[nodiscard]] cpu_set_t* get() noexcept { return reinterpret_cast<cpu_set_t*>(words_.data()); }
  [[nodiscard]] const cpu_set_t* get() const noexcept { return reinterpret_cast<const cpu_set_t*>(words_.data()); }
  [[nodiscard]] bool has(std::size_t cpu) const noexcept {
    return (words_[cpu / word_bits] >> cpu % word_bits & 1) != 0;
  }
  void add(std::size_t cpu) noexcept { words_[cpu / word_bits] |= 1UL << cpu % word_bits; }
  [[nodiscard]] unsigned count() const noexcept {
    unsigned all = 0;
    for (const unsigned long word : words_) all += static_cast<unsigned>(std::popcount(word));
    return all;
  }

 private:
  static constexpr std::size_t word_bits = 8 * sizeof(unsigned long);

  std::vector<unsigned long> words_;
};

// The cores the calling thread may run on; empty where the kernel does not say.
inline cpu_mask affinity() {
  // The kernel refuses a mask smaller than its own, so grow until it fits.
  for (std::size_t cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_mask mask(cpus);
    if (::sched_getaffinity(0, mask.bytes(), mask.get()) == 0) return mask;
    if (errno != EINVAL) break;
  }
  return cpu_mask(0);
}

inline unsigned cores_by_affinity() {
  const unsigned cores = affinity().count();
  return cores > 0 ? cores : static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
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
