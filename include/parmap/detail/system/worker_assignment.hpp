// SPDX-License-Identifier: MIT
// What a worker is told: plain numbers, so that it can be told to another program.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

struct worker_assignment {
  // Of the map.
  std::uint64_t tasks{};
  std::uint64_t seed{};
  std::uint64_t max_failures{};
  std::optional<std::uint64_t> memory_limit{};
  unsigned workers{};
  unsigned retries{};
  bool timed{};
  pid_t parent{};
  // Of this worker.
  unsigned number{};
  std::uint64_t from{};   // the first task of the round
  std::uint32_t round{};  // its tasks
};
static_assert(std::is_trivially_copyable_v<worker_assignment>);

}  // namespace parmap::inline PARMAP_ABI::detail
