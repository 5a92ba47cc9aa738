// SPDX-License-Identifier: MIT
// worker_assignment: the parameters of a worker, as plain numbers that can be passed to another program.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// Of a stream: what its workers need besides the ledger.
struct stream_assignment {
  std::uint64_t window{};
  std::uint64_t heap{};     // bytes of each heap
  std::uintptr_t memory{};  // the address of the rings' memory in the caller
  pid_t origin{};           // the caller
  int arrivals{-1};         // the descriptor that wakes the caller
  int rings{-1};            // the descriptor of the rings' memory, if workers are programs of their own
  bool measures{};          // take the time of each task
};

struct worker_assignment {
  // Parameters of the map.
  std::uint64_t tasks{};
  std::uint64_t seed{};
  std::uint64_t max_failures{};
  std::optional<std::uint64_t> memory_limit{};
  std::uint64_t most_tasks{};  // that one process may run; 0: any number
  unsigned workers{};
  unsigned retries{};
  bool timed{};
  bool postpones{};  // a failed attempt is not repeated at once
  bool streams{};    // outcomes leave by rings
  bool observed{};   // each attempt is told to an observer in the caller
  int news{-1};      // the descriptor that wakes the supervisor
  pid_t parent{};
  stream_assignment stream{};
  // Parameters of this worker.
  unsigned number{};
  std::uint64_t from{};   // the first task of the round
  std::uint32_t round{};  // the number of its tasks
};
static_assert(std::is_trivially_copyable_v<worker_assignment>);

}  // namespace parmap::inline PARMAP_ABI::detail
