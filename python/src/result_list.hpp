// SPDX-License-Identifier: MIT
// The list of results of a map on processes. It is created when the first result is read, so that the workers' forks do
// not copy it.
#pragma once

#include "bulk_allocation.hpp"
#include "value_transport.hpp"

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace parmap::python {

/// Use it with the GIL held. It must outlive the places that it gives out.
class result_list {
 public:
  /// `list` must be empty. begin() fills it with `size` times `pending`.
  result_list(nanobind::list list, nanobind::handle pending, std::uint64_t size)
      : list_(std::move(list)),
        pending_(pending),
        size_(size) {}

  /// Creates the list's places and begins to read results. Throws nanobind::python_error (MemoryError).
  void begin() {
    if (reading_) return reading_->go_on();
    if (size_ > 0) {
      if (PyList_Append(list_.ptr(), pending_.ptr()) != 0) throw nanobind::python_error();
      const auto all = static_cast<Py_ssize_t>(size_);
      if (!nanobind::steal(PySequence_InPlaceRepeat(list_.ptr(), all)).is_valid()) throw nanobind::python_error();
    }
    reading_.emplace();
  }
  /// Call this before other Python code may run.
  void pause() noexcept {
    if (reading_) reading_->pause();
  }

  /// The place of task i, for an engine to write to.
  value& operator[](std::ptrdiff_t i) {
    if (!reading_ || !reading_->active()) begin();
    static_assert(sizeof(value) == sizeof(PyObject*));
    return reinterpret_cast<value*>(reinterpret_cast<PyListObject*>(list_.ptr())->ob_item)[i];
  }

 private:
  nanobind::list list_;
  nanobind::handle pending_;
  std::uint64_t size_;
  std::optional<bulk_allocation> reading_;
};

/// The iterator that engines take as the beginning of a range.
class list_places {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = value;

  explicit list_places(result_list& list) noexcept : list_(&list) {}
  value& operator[](std::ptrdiff_t i) const { return (*list_)[i]; }

 private:
  result_list* list_;
};

}  // namespace parmap::python
