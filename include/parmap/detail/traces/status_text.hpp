// SPDX-License-Identifier: MIT
// status_text: the state of a running map as JSON, for those who watch it from elsewhere.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/traces/map_account.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What stays the same while the map runs.
struct map_identity {
  std::string label{};
  std::string engine{};
  std::optional<std::uint64_t> tasks{};  // that are to run; none: unknown
  std::uint64_t stored{};                // that have an outcome from an earlier run
  std::string program{};
  std::string host{};
  int pid{};
  double began{};  // Unix time
};

struct running_task {
  std::uint64_t task{};
  unsigned attempt{};
  unsigned worker{};
  std::chrono::nanoseconds age{};
  std::string inputs{};
};

// How the map ended.
enum class map_end {
  not_yet,
  complete,    // each task has ended
  incomplete,  // some were stopped
  exception,   // an exception left the map
};

struct map_state {
  double heartbeat{};  // Unix time
  std::chrono::nanoseconds elapsed{};
  double rate{};  // tasks per second, of the last half minute
  unsigned workers{};
  std::vector<running_task> running{};  // the oldest first
  map_end end{map_end::not_yet};
};

inline constexpr std::size_t most_running_shown = 64;

// The program's name and host, for the constructor of a recorder.
[[nodiscard]] map_identity identity_of_process();

// The tasks of an object of JSON that both files have: "label":...,"stored":...
void add_identity(std::string& to, const map_identity& of);
// "completed":...,"failures":[...]
void add_account(std::string& to, const map_account& of);
[[nodiscard]] std::string status_text(const map_identity& of, const map_account& so_far, const map_state& now);
// What the last event of a trace says.
[[nodiscard]] std::string end_of_trace_text(const map_identity& of, const map_account& all, const map_state& last,
                                            std::uint64_t left_out);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/status_text.inl.hpp>
#endif
