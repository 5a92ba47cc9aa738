// SPDX-License-Identifier: MIT
// pool_owner: who takes the outcomes of one map, stream or list of submitted tasks on a pool.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// The outcome of an attempt of a task.
struct pool_outcome {
  std::uint64_t task{};  // in its map
  unsigned attempt{};
  unsigned worker{never_ran};
  ticks spent{};                       // 0: unknown
  const failure* why{};                // null: there is a value
  std::optional<byte_reader> bytes{};  // of the value; none if they were written over
};

// Takes the outcomes of one job.
class pool_owner {
 public:
  pool_owner() = default;
  pool_owner(const pool_owner&) = delete;
  pool_owner& operator=(const pool_owner&) = delete;

  // Called by a thread that collects for this job. What it throws passes from there; the outcome is taken all the same.
  virtual void take(const pool_outcome& it) = 0;

 protected:
  ~pool_owner() = default;
};

// What holds for all tasks of a job.
struct job_terms {
  std::uint64_t seed{};
  std::chrono::nanoseconds timeout{};  // of each attempt; zero: none
  std::uint64_t most_at_once{};        // batches, of which each is with one worker; 0: any number
};

// The dispatcher's side of it.
class pool_job;

}  // namespace parmap::inline PARMAP_ABI::detail
