// SPDX-License-Identifier: MIT
// call_settings: what a rank is asked to do in one map, and what it remembers from map to map.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// What a group of ranks remembers from map to map.
struct crew_memory {
  std::uint64_t maps{};              // that they have called together
  bool told_nodes{};                 // "2 nodes, 128 workers" has been said
  std::deque<rank_message> early{};  // messages of ranks that are in a later map already
};

class call_records;

struct call_settings {
  const options& chosen;
  std::uint64_t tasks{};
  std::string site{};  // "main.cpp:41"
  value_target target{value_target::rank_0};
  bool each_rank{};         // every rank is an agent with one worker
  call_records* records{};  // on rank 0, if there is a store or a trace
};

}  // namespace parmap::inline PARMAP_ABI::detail
