// SPDX-License-Identifier: MIT
// Libraries in use in this process that do not work in a forked one.
#pragma once

#include <string>
#include <vector>

namespace parmap::python {

/// One library, and what of it would be missing in a worker, in words. Microseconds where there is none.
struct fork_hazard {
  std::string library;  // its path
  std::string lost;
};

[[nodiscard]] std::vector<fork_hazard> fork_hazards();

}  // namespace parmap::python
