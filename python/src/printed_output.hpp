// SPDX-License-Identifier: MIT
// printed_output: whether a task has printed into sys.stdout or sys.stderr, and its flush after the task.
#pragma once

#include "dict_changes.hpp"

#include <nanobind/nanobind.h>

#include <array>
#include <atomic>

namespace parmap::python {

/// In a worker process, with the GIL. A call of flush() for a stream into which nothing was printed would take longer
/// than a short task; so the streams' own `write` tells that there is something.
class printed_output {
 public:
  [[nodiscard]] static printed_output& of_this_process();

  /// Call before the first task.
  void watch() noexcept;
  /// Call after each task. A few ns if it has printed nothing.
  void flush() noexcept;

 private:
  struct stream {
    nanobind::object name;  // in sys
    nanobind::object seen;  // the stream that tells of its prints
    bool silent{};          // it does not tell, so it is flushed after each task
  };

  [[nodiscard]] nanobind::object in_sys(const stream& one) const noexcept;
  void look_at(stream& one) noexcept;
  bool make_tell(nanobind::handle stream) noexcept;

  std::array<stream, 2> streams_{};
  PyObject* sys_{};
  dict_changes changes_;  // of it
  bool is_silent_{};      // one of the streams is
  std::atomic<bool> printed_{};
};

}  // namespace parmap::python
