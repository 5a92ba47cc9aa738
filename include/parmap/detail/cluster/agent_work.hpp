// SPDX-License-Identifier: MIT
// agent_work: what a rank does with the tasks that it is given, and with their values, whatever f and its axes are.
#pragma once

#include <parmap/detail/cluster/granted_ranges.hpp>
#include <parmap/detail/cluster/message_text.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Where the values of a map are wanted.
enum class value_target { rank_0, every_rank, nowhere_else };

// Hears of outcomes. Their numbers are those of the tasks in the map, their workers those of the agent.
class outcome_sink {
 public:
  outcome_sink(const outcome_sink&) = delete;
  outcome_sink& operator=(const outcome_sink&) = delete;

  virtual void put(stored_outcome&& it) = 0;

 protected:
  outcome_sink() = default;
  ~outcome_sink() = default;
};

// What rank 0 has told an agent.
struct agent_orders {
  unsigned workers{};
  std::uint64_t seed{};
  std::optional<std::chrono::nanoseconds> left{};  // the time until the deadline
  bool times{};
  outcome_sink* tell{};  // who hears of each outcome; null: nobody
  bool tell_values{};    // and of its value
};

// What agent_work::step has come to.
enum class agent_step {
  takes_more,  // there may be outcomes at hand
  waits,       // there are none
  has_ended,   // all tasks have ended, and nothing will begin any more
};

// Used by one thread at a time.
class agent_work {
 public:
  agent_work() = default;
  agent_work(const agent_work&) = delete;
  agent_work& operator=(const agent_work&) = delete;
  virtual ~agent_work() = default;

  // ---- an agent

  // Starts the workers. Throws what the inner engine throws before any task begins.
  virtual void open(const agent_orders& told) = 0;
  // These tasks may begin.
  virtual void add(const task_run& more) = 0;
  // No further ones will be added.
  virtual void end() = 0;
  // No further task begins; those that have not begun are `stopped`, for this reason.
  virtual void halt(const std::string& why) noexcept = 0;
  // Ends what runs, as the map has failed.
  virtual void abandon() noexcept = 0;
  // Takes outcomes for some time, and waits for the first one, at most for `patience`. It has ended after end(), or as
  // the engine has been halted (a stop request, a deadline, too many failures). Throws what ends the engine.
  virtual agent_step step(std::chrono::nanoseconds patience) = 0;
  [[nodiscard]] virtual std::uint64_t completed() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t failed() const noexcept = 0;
  // The number of tasks that may begin or have begun, and whose outcomes have not been taken.
  [[nodiscard]] virtual std::uint64_t room() const noexcept = 0;
  // Why the engine has halted by itself.
  [[nodiscard]] virtual std::string why_stopped() const = 0;
  // step() has ended, and nothing will be added: what was added and not begun is `stopped`.
  virtual void settle() = 0;
  // Of this agent's tasks, after settle().
  [[nodiscard]] virtual failure_runs take_failures() = 0;
  [[nodiscard]] virtual map_times times() = 0;
  // The tasks whose values are here, and those of them that have failed.
  [[nodiscard]] virtual std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges() const = 0;

  // ---- values that are sent elsewhere

  // Appends the next piece of this rank's values to `to`, and in front how many these are. False if there is none.
  virtual bool next_piece(message_writer& to) = 0;
  // Takes the values of a piece of any rank, without the number in front. Throws if one cannot be read.
  virtual void take_piece(message_reader from) = 0;
};

}  // namespace parmap::inline PARMAP_ABI::detail
