// SPDX-License-Identifier: MIT
// input_columns: the named axes of a map as columns of a table with a row for each task.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/csv_text.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Where the elements of an axis stand among the tasks: task i has element i / stride % size.
struct axis_place {
  std::uint64_t stride;
  std::uint64_t size;
};

// Shares the elements with the axes.
class input_columns {
 public:
  using place_type = axis_place;

  template <class T>
  void add(std::shared_ptr<const std::string> name, std::shared_ptr<const std::vector<T>> values, axis_place place) {
    columns_.push_back({std::move(name), std::move(values), place, [](const void* all, std::uint64_t i, csv_text& row) {
                          row.add<T>((*static_cast<const std::vector<T>*>(all))[i]);
                        }});
  }

  [[nodiscard]] bool empty() const noexcept { return columns_.empty(); }
  void add_names(csv_text& row) const {
    for (const column& each : columns_) row.add_quoted(*each.name);
  }
  // The inputs of task i. Throws what an operator<< throws.
  void add_inputs(csv_text& row, std::uint64_t i) const {
    for (const column& each : columns_) each.add(each.values.get(), i / each.place.stride % each.place.size, row);
  }

 private:
  struct column {
    std::shared_ptr<const std::string> name;
    std::shared_ptr<const void> values;
    axis_place place;
    void (*add)(const void* values, std::uint64_t i, csv_text& row);
  };

  std::vector<column> columns_;
};

template <class Space>
[[nodiscard]] input_columns columns_of(const Space& space) {
  input_columns all;
  space.add_columns(all, {1, space.size()});
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
