// SPDX-License-Identifier: MIT
// The bodies of cgroup_quota.hpp.
#pragma once

#include <parmap/detail/system/linux/cgroup_quota.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// The number of cores that the quota of one cgroup directory allows; 0 if it sets none.
PARMAP_INLINE double quota_of(const std::string& directory) {
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

PARMAP_INLINE double cores_by_quota() {
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

}  // namespace parmap::inline PARMAP_ABI::detail
