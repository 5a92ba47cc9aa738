// SPDX-License-Identifier: MIT
// checkpoint_run: one map's use of a checkpoint, from opening the file to the last commit.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/checkpoints/row_writer.hpp>
#include <parmap/detail/checkpoints/task_numbers.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/failure.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What is asked of a checkpoint, beside the sweep itself.
struct checkpoint_request {
  std::string path{};
  std::string name{};  // of the function
  std::string version{};
  std::optional<std::vector<failure_kind>> rerun{};  // none: all kinds
};

class checkpoint_run final : public store_run {
 public:
  // Opens the file, or makes it; compares the sweep with the one that it has; gives positions to new elements and
  // numbers to new tasks. Throws store_failed and std::invalid_argument; the file is then as it was before.
  checkpoint_run(const checkpoint_request& asked, const sweep& what);
  ~checkpoint_run() override;

  [[nodiscard]] std::uint64_t seed() const noexcept override { return seed_; }
  [[nodiscard]] std::uint64_t number(std::uint64_t index) const noexcept override;
  void read(const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) override;
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept override { return notes_; }
  void put(stored_outcome&& it) noexcept override { writer_->put(std::move(it)); }
  void give_up(const char* why) noexcept override { writer_->give_up(why); }
  [[nodiscard]] std::stop_token stop() const noexcept override { return writer_->stop(); }
  void finish() override;

 private:
  static constexpr std::size_t most_axes = 16;

  void choose_modes();
  void take_over();
  void compare(const sweep& what);
  void compare_field(const char* name, const char* in_words, const stored_value& here);
  void place_axis(std::size_t k, const sweep_axis& axis);
  void read_extents();
  void add_extents();
  void begin_run(const sweep& what);

  checkpoint_request asked_;
  database file_;
  std::int64_t version_{};
  std::int64_t run_{};
  std::uint64_t seed_{};
  std::vector<std::vector<std::uint64_t>> positions_;  // of each axis: the position of each of its elements
  std::vector<std::vector<std::uint64_t>> indices_;    // the other way; none: `absent`
  task_numbers numbers_;
  std::vector<std::string> notes_;
  std::unique_ptr<row_writer> writer_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/checkpoint_run.inl.hpp>
