// SPDX-License-Identifier: MIT
// Finds libraries in use in this process that do not work after a fork.
#pragma once

#include <string>
#include <vector>

namespace parmap::python {

/// A library, and what of it would be missing in a worker, as text.
struct fork_hazard {
  std::string library;  // its path
  std::string lost;
};

/// Takes some µs if there is none. Ends the idle threads of gcc's OpenMP, where it can. `threads_of_python`: their
/// numbers in the kernel; they are not OpenMP's.
[[nodiscard]] std::vector<fork_hazard> fork_hazards(const std::vector<int>& threads_of_python);

/// Calls omp_set_num_threads(threads) in each gcc's OpenMP that is loaded.
void limit_libgomp(int threads);

}  // namespace parmap::python
