// SPDX-License-Identifier: MIT
// result_store: what a map needs of a place where outcomes outlive the program. The map knows no more of it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// One axis of a sweep. An axis that takes several ranges together, such as a zip, has several names.
struct sweep_axis {
  std::vector<std::string> names{};
  std::uint64_t size{};
  std::function<void(std::uint64_t i, std::vector<stored_value>& to)> add_cells{};  // of element i, one for each name
};

// What identifies the results of a map.
struct sweep {
  std::string function{};               // its type's name; empty if it has none that stays
  std::string result{};                 // the type of a value
  std::vector<sweep_axis> axes{};       // the last one varies fastest
  std::vector<stored_value> fixed{};    // the values of parmap::fargs
  std::vector<std::string> unknown{};   // what f holds besides, that cannot be compared
  std::optional<std::uint64_t> seed{};  // if the caller has chosen one
};

// The outcome of a task as it is stored.
struct stored_outcome {
  std::uint64_t number{};              // of the task in the store
  std::optional<failure_kind> kind{};  // none: it has a value
  unsigned attempts{};
  unsigned worker{};
  std::chrono::nanoseconds took{};
  stored_value value{};
  std::string message{};  // of a failure
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
  // Calls visit(index, outcome) for each task of the map whose stored outcome stays, by number.
  virtual void read(const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) = 0;
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

namespace parmap::inline PARMAP_ABI {

/// Where a map keeps its outcomes: what parmap::checkpoint returns, for options::store. Abstract; for engines.
class result_store {
 public:
  result_store(const result_store&) = delete;
  result_store& operator=(const result_store&) = delete;
  virtual ~result_store() = default;

  /// What map calls. Throws store_failed if the store cannot be used, std::invalid_argument if it has the results of
  /// another sweep.
  [[nodiscard]] virtual std::unique_ptr<detail::store_run> open(const detail::sweep& what) = 0;

 protected:
  result_store() = default;
};

/// Thrown by a map with a store that cannot be opened, read or written; what() has the path and the reason. What was
/// stored before stays stored.
class PARMAP_API store_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace parmap::inline PARMAP_ABI
