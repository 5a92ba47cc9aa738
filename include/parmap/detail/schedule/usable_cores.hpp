// SPDX-License-Identifier: MIT
// How many cores this process may use: CPU affinity and the cgroup's quota.
#pragma once

#include <parmap/detail/system/proc_file.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
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
  const std::string v2 = text_of_file(directory + "/cpu.max");  // "max 100000" or "150000 100000"
  char* end = nullptr;
  double quota = std::strtod(v2.c_str(), &end);
  double period = std::strtod(end, nullptr);
  if (v2.empty() || v2.starts_with("max")) {
    quota = std::strtod(text_of_file(directory + "/cpu.cfs_quota_us").c_str(), nullptr);
    period = std::strtod(text_of_file(directory + "/cpu.cfs_period_us").c_str(), nullptr);
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The tightest quota from this process's cgroup up to the root; 0 if there is none.
inline double cores_by_quota() {
  double tightest = 0;
  const std::string groups = text_of_file("/proc/self/cgroup");
  for (std::size_t begin = 0, end = 0; begin < groups.size(); begin = end + 1) {
    end = std::min(groups.find('\n', begin), groups.size());
    const std::string line = groups.substr(begin, end - begin);
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
    return quota > 0 ? std::clamp(static_cast<unsigned>(quota) + (quota > static_cast<unsigned>(quota) ? 1U : 0U), 1U,
                                  affinity)
                     : affinity;
  }();
  return inside_worker().load(std::memory_order_relaxed) ? 1 : cores;
}

}  // namespace parmap::detail
