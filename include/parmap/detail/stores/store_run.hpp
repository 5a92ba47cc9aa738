// SPDX-License-Identifier: MIT
// store_run: what a map needs of a place where outcomes outlive the program. The map knows no more of it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/failure.hpp>
#include <parmap/part.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Where the values of the elements of an axis go.
class cell_list {
 public:
  PARMAP_API void add(stored_value&& it);
  void clear() noexcept { all_.clear(); }
  [[nodiscard]] const std::vector<stored_value>& all() const noexcept { return all_; }

 private:
  std::vector<stored_value> all_;
};

// One axis of a sweep. An axis that takes several ranges together, such as a zip, has several names.
struct sweep_axis {
  std::vector<std::string> names{};
  std::uint64_t size{};
  const void* space{};
  void (*add_cells)(const void* space, std::uint64_t i, cell_list& to){};  // of element i, one for each name
};

// What identifies the results of a map. Its functions are those that sweep_of calls.
class sweep {
 public:
  std::string function{};               // its type's name; empty if it has none that stays
  std::string result{};                 // the type of a value
  std::vector<sweep_axis> axes{};       // the last one varies fastest
  std::vector<stored_value> fixed{};    // the values of parmap::fargs
  std::vector<std::string> unknown{};   // what f holds besides, that cannot be compared
  std::optional<std::uint64_t> seed{};  // if the caller has chosen one
  std::uint64_t block{};                // of a fold: so many consecutive tasks share an accumulator; 0: it is no fold
  stored_value identity{};              // of a fold
  parmap::part part{};                  // of the tasks, which this map runs

  PARMAP_API sweep(std::string_view type, const std::optional<std::uint64_t>& chosen_seed);
  PARMAP_API sweep(sweep&&) noexcept;
  PARMAP_API ~sweep();
  sweep(const sweep&) = delete;
  sweep& operator=(const sweep&) = delete;

  // The function's class has this name, unless that is a lambda's.
  PARMAP_API void add_class(std::string_view name, bool holds_something);
  PARMAP_API void add_fixed(stored_value&& it);
  // The fixed argument behind those that were added cannot be stored.
  PARMAP_API void add_unknown_fixed();
  // The names of the axis follow.
  PARMAP_API void add_axis(std::uint64_t size, const void* space,
                           void (*add_cells)(const void* space, std::uint64_t i, cell_list& to));
  // Of the axis that was added last; empty: it gets one.
  PARMAP_API void add_name(std::string_view name);
  // The values are accumulators, which depend on the tasks of the block before theirs.
  PARMAP_API void set_fold(std::uint64_t tasks_of_block, stored_value&& begins_as);

 private:
  std::size_t fixed_{};
  std::size_t names_{};
};

// The outcome of a task as it is stored.
struct stored_outcome {
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr time_point unknown{};

  std::uint64_t number{};              // of the task in the store
  std::optional<failure_kind> kind{};  // none: it has a value
  unsigned attempts{};
  std::optional<unsigned> worker{};
  time_point began{};  // or unknown
  std::optional<std::chrono::nanoseconds> took{};
  stored_value value{};
  std::string message{};                  // of a failure
  std::optional<std::uint64_t> erases{};  // the number of a task whose value is not needed any more
};

// A map's use of a store, from its begin to its end. The destructor stores what has been put; it throws nothing.
class store_run {
 public:
  store_run(const store_run&) = delete;
  store_run& operator=(const store_run&) = delete;
  virtual ~store_run() = default;

  [[nodiscard]] virtual std::uint64_t seed() const noexcept = 0;
  // The number of task `index` of the map, which names its random stream, too. Any thread may ask.
  [[nodiscard]] virtual std::uint64_t number(std::uint64_t index) const noexcept = 0;
  // Calls visit(index, outcome) for each task of the map whose stored outcome stays, by number. `values`: with its
  // value; else find() gives it. In a fold these are the first tasks of each block; of all values but the last one of a
  // block nothing is left. Call it once, before the functions below.
  virtual void read(bool values, const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) = 0;
  // The outcome of a task that read() has visited, without values. One thread at a time, each task once.
  [[nodiscard]] virtual stored_outcome find(std::uint64_t index) = 0;
  // What the user should know, a line each.
  [[nodiscard]] virtual const std::vector<std::string>& notes() const noexcept = 0;

  // Any thread. Waits while too many bytes wait to be written.
  virtual void put(stored_outcome&& it) noexcept = 0;
  // The map cannot go on: an outcome could not be made ready.
  virtual void give_up(const char* why) noexcept = 0;
  // A stop is requested when outcomes can no longer be stored.
  [[nodiscard]] virtual std::stop_token stop() const noexcept = 0;
  // Waits until all is stored. Throws store_failed.
  virtual void finish() = 0;

 protected:
  store_run() = default;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/store_run.inl.hpp>
#endif
