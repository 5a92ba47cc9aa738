// SPDX-License-Identifier: MIT
// cpu_seconds: the CPU time of this process and of its children that have ended.
#pragma once

#include <sys/resource.h>

#include <initializer_list>

namespace bench {

inline double cpu_seconds() {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  double all = 0;
  for (const auto whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(whose, &used);
    all += seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  return all;
}

}  // namespace bench
