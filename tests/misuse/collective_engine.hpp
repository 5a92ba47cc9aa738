// SPDX-License-Identifier: MIT
// What the checks know of parmap::mpi, for where there is no MPI.
#pragma once

#include <parmap/engine/engine.hpp>
#include <parmap/engine/serial.hpp>

#include <string_view>

struct collective_engine {
  static constexpr bool is_collective = true;
  static constexpr std::string_view name() noexcept { return "mpi"; }
  template <class Tasks>
  auto run(const Tasks& tasks, const parmap::options& chosen) const {
    return parmap::serial.run(tasks, chosen);
  }
};
inline constexpr collective_engine on_ranks{};
