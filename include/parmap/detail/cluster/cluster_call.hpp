// SPDX-License-Identifier: MIT
// cluster_call: one map that the ranks of a cluster call together, as one of the ranks sees it.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/call_error.hpp>
#include <parmap/detail/cluster/call_facts.hpp>
#include <parmap/detail/cluster/call_settings.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>
#include <parmap/summary.hpp>

#include <cstdint>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

// README.md says who sends what. The functions are called in this order, by every rank. What one of them throws, it
// throws on every rank; the messages between the ranks have then all been read, so that they may call another map.
class cluster_call {
 public:
  PARMAP_API cluster_call(rank_link& link, crew_memory& memory, const call_settings& how, call_facts facts);
  PARMAP_API ~cluster_call();
  cluster_call(const cluster_call&) = delete;
  cluster_call& operator=(const cluster_call&) = delete;

  // Waits until every rank has called the map, and rank 0 has opened its files. `error`: why this rank cannot; without
  // text if it can. Throws std::invalid_argument if the ranks disagree, and what one of them cannot do, on all: as
  // std::invalid_argument or store_failed if it is one, else as std::runtime_error.
  PARMAP_API void meet(const call_error& error);
  // Runs tasks until all have ended. What ended the map on this rank is thrown here unchanged, on the others as a
  // std::runtime_error.
  PARMAP_API void run(agent_work& work);
  // Sends the values to where they are wanted. What it throws is thrown on this rank alone.
  PARMAP_API void gather(agent_work& work);

  [[nodiscard]] PARMAP_API std::uint64_t seed() const noexcept;
  // After run(): the same on every rank.
  [[nodiscard]] PARMAP_API const failure_list& failures() const noexcept;
  // Whether times are asked for, and these.
  [[nodiscard]] PARMAP_API bool has_times() const noexcept;
  [[nodiscard]] PARMAP_API const map_times& times() const noexcept;
  // The tasks that had a stored outcome.
  [[nodiscard]] PARMAP_API const stored_tasks& stored() const noexcept;
  // After gather(): all tasks that have no value here, and whether these are more than have failed.
  [[nodiscard]] PARMAP_API failure_list absent(const agent_work& work) const;
  [[nodiscard]] PARMAP_API bool is_partial() const noexcept;

 private:
  class rank_side;
  std::unique_ptr<rank_side> mine_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/cluster_call.inl.hpp>
#endif
