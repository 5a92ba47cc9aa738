// SPDX-License-Identifier: MIT
// checkpoint_run: one map's use of a checkpoint, from opening the file to the last commit.
#pragma once

#include <parmap/detail/checkpoints/axis_places.hpp>
#include <parmap/detail/checkpoints/checkpoint_schema.hpp>
#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/checkpoints/row_writer.hpp>
#include <parmap/detail/checkpoints/run_entry.hpp>
#include <parmap/detail/checkpoints/task_numbers.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/failure.hpp>
#include <parmap/part.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What is asked of a checkpoint, beside the sweep itself.
struct checkpoint_request {
  std::string path{};
  std::map<std::string, stored_value> existing{};    // what old results have on new axes
  std::string name{};                                // of the function
  std::optional<std::vector<failure_kind>> rerun{};  // none: all kinds
  std::string version{};
};

class checkpoint_run final : public store_run {
 public:
  // Opens the file, or makes it; compares the sweep with the one that it has; gives positions to new elements and
  // numbers to new tasks. Throws store_failed and std::invalid_argument; the file is then as it was before.
  checkpoint_run(const checkpoint_request& asked, const sweep& what);
  ~checkpoint_run() override;

  [[nodiscard]] std::uint64_t seed() const noexcept override { return seed_; }
  [[nodiscard]] std::uint64_t number(std::uint64_t index) const noexcept override;
  void read(bool values, const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) override;
  [[nodiscard]] stored_outcome find(std::uint64_t index) override;
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept override { return notes_; }
  void put(stored_outcome&& it) noexcept override { writer_->put(std::move(it)); }
  void give_up(const char* why) noexcept override { writer_->give_up(why); }
  [[nodiscard]] std::stop_token stop() const noexcept override { return writer_->stop(); }
  void finish() override { writer_->finish(); }

 private:
  static constexpr std::size_t most_axes = 16;

  static checkpoint_request of_part(checkpoint_request asked, const part& which);
  void open(const sweep& what);
  void choose_modes();
  void compare(const sweep& what);
  void compare_field(const char* name, const char* words, const stored_value& here);
  void compare_fold(const sweep& what);
  void refuse_further_fields(const sweep& what);
  void compare_seed(const std::optional<std::uint64_t>& given);
  void compare_part();
  [[noreturn]] void refuse(const std::string& words, const std::string& there, const std::string& here) const;
  void place_axes(const sweep& what);
  [[nodiscard]] std::size_t add_axis(std::size_t place, const sweep_axis& what, std::vector<axis_entry>& all);
  [[nodiscard]] stored_value existing_value(const std::string& name, const stored_value* like) const;
  void read_extents();
  void add_extents();
  void keep_whole_blocks(const sweep& what, std::uint64_t there);
  [[nodiscard]] bool runs_again(failure_kind kind) const;
  void count_tasks();
  // The outcome of a row of the table of results, from its second column on.
  [[nodiscard]] stored_outcome outcome_of(const statement& row, bool values) const;
  [[nodiscard]] std::uint64_t index_of(std::uint64_t number) const;

  checkpoint_request asked_;  // its path is that of the part
  part part_;
  bool was_there_;  // the file
  bool made_{};     // its tables, by this
  bool exclusive_;  // no other connection can be opened
  database file_;
  std::int64_t version_{};
  bool is_new_{};  // the version
  std::uint64_t seed_{};
  std::vector<axis_places> places_;  // of each axis of the call
  std::vector<std::size_t> order_;   // of each axis of the file, by number: which one of the call it is
  task_numbers numbers_;
  std::uint64_t tasks_{};  // of this map, or of this part of it
  std::vector<std::string> notes_;
  std::optional<run_entry> entry_;
  std::unique_ptr<row_writer> writer_;
  std::unique_ptr<database> reader_;  // for find, while the writer has the other one
  std::optional<statement> find_;
  std::map<std::uint64_t, stored_outcome> read_;  // for find, where there can be no reader
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/checkpoint_axes.inl.hpp>
#include <parmap/detail/checkpoints/checkpoint_run.inl.hpp>
