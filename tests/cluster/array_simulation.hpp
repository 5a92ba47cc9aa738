// SPDX-License-Identifier: MIT
// The simulate.hpp of the sweep in docs/howto/cluster.md, as slurm_arrays.sh runs it: while there is a file
// `interrupt`, task 4 removes it and ends its job as Slurm does at the time limit.
#pragma once

#include <parmap/context.hpp>

#include <unistd.h>

#include <csignal>
#include <filesystem>

inline double simulate(parmap::context& self, double mu, int n) {
  if (self.index() == 4 && std::filesystem::remove("interrupt")) {
    ::kill(::getppid(), SIGTERM);
    ::pause();  // until the map ends this task
  }
  return mu * n + static_cast<double>(self.rng()()) * 0x1p-64;
}
