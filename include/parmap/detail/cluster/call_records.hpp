// SPDX-License-Identifier: MIT
// call_records: what rank 0 writes to files while a map runs: its store, its trace and the status file of these.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/granted_ranges.hpp>
#include <parmap/detail/cluster/message_text.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/detail/stores/task_choice.hpp>
#include <parmap/detail/traces/watched_tasks.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class map_recorder;

// On rank 0 alone. With a store only the tasks without a stored outcome are given out; conductor numbers these from 0.
class call_records final : public outcome_sink {
 public:
  struct request {
    const options& chosen;
    std::uint64_t tasks{};
    std::function<sweep()> what{};                                   // of the store
    std::function<void(std::uint64_t, const stored_value&)> keep{};  // takes the stored value of a task
    watched_tasks watched{};
  };

  // Opens nothing.
  PARMAP_API explicit call_records(request asked);
  PARMAP_API ~call_records();

  // All ranks agree on the call. Opens the files, reads what is stored, and tells the user what was found. Throws what
  // opening a store and a trace throws.
  void open();
  [[nodiscard]] bool has_store() const noexcept { return asked_.chosen.store != nullptr; }
  // The store's; after open().
  [[nodiscard]] std::uint64_t seed() const noexcept { return store_->seed(); }
  // How many tasks are to run.
  [[nodiscard]] std::uint64_t left() const noexcept { return choice_ ? choice_->size() : asked_.tasks; }
  // Those of them, from b to e, as tasks of the map.
  [[nodiscard]] std::vector<task_run> runs(std::uint64_t b, std::uint64_t e) const;
  // The agents of the map, in the order of their ranks: how the rows of their workers are named.
  void note_agents(std::vector<std::pair<std::string, unsigned>> places_and_workers);

  // An outcome of rank 0's own tasks.
  PARMAP_API void put(stored_outcome&& it) override;
  // Those of another agent, the k-th. `body` of the message.
  void take(std::size_t agent, message_reader body);

  // Outcomes can no longer be stored; finish() throws the reason.
  [[nodiscard]] bool has_failed() const noexcept { return store_ != nullptr && store_->stop().stop_requested(); }
  // All tasks have ended. Waits until all is written. Throws store_failed.
  void finish();

  // The failures that were stored, and stay.
  [[nodiscard]] const failure_runs& stored_failures() const noexcept { return failed_; }
  // How many values were stored.
  [[nodiscard]] std::uint64_t stored_values() const noexcept { return values_; }
  // Which tasks had stored outcomes.
  [[nodiscard]] stored_tasks stored() const;

 private:
  void keep(std::uint64_t index, stored_outcome&& it);
  void note(stored_outcome&& it, unsigned first_worker);
  [[nodiscard]] std::string name_of(unsigned worker) const;

  request asked_;
  std::unique_ptr<store_run> store_;
  std::optional<task_choice> choice_;
  failure_runs failed_;
  std::uint64_t values_{};
  std::vector<std::pair<std::string, unsigned>> agents_;  // where each runs, and the number of its first worker
  std::unique_ptr<map_recorder> recorder_;                // destroyed first, as it asks for names
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/call_records.inl.hpp>
#endif
