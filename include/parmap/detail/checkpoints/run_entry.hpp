// SPDX-License-Identifier: MIT
// run_entry: the entry of a run in the table `run`, which also keeps other processes off.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class run_entry {
 public:
  using clock = std::chrono::steady_clock;

  // Throws store_failed if another process is using the file. An entry whose process has ended without saying so is
  // closed.
  static void take_over(database& file);

  // Enters this process. Within the transaction that opens the file.
  run_entry(database& file, std::int64_t version, std::uint64_t tasks);

  [[nodiscard]] std::int64_t number() const noexcept { return number_; }
  // When it began, for the times of tasks.
  [[nodiscard]] clock::time_point began() const noexcept { return began_; }
  // The run goes on. `done`, `failed`: tasks of the run that have a value, or have none as they have failed.
  void note(std::uint64_t done, std::uint64_t failed);
  // The run has ended.
  void close();

 private:
  database* file_;
  clock::time_point began_;
  std::int64_t number_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/run_entry.inl.hpp>
