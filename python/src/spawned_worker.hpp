// SPDX-License-Identifier: MIT
// What a worker that is a program of its own is told as its last argument, and how it comes to be one.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/detail/system/worker_assignment.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace parmap::python {

struct spawn_assignment {
  detail::worker_assignment mine;
  int memory;            // descriptors: of the map's memory
  int buffers;           // of its large_buffer_file
  std::uint64_t region;  // in that
};
static_assert(std::is_trivially_copyable_v<spawn_assignment>);

/// As an argument of a program.
[[nodiscard]] std::string to_text(const spawn_assignment& told);
/// Throws std::invalid_argument where this is not the other end's parmap.
[[nodiscard]] spawn_assignment to_spawn_assignment(std::string_view text);

/// A program that can be started in place of a forked worker.
class worker_program {
 public:
  /// `arguments`: of bytes, the first one its path; `job`: a descriptor that it needs.
  worker_program(nanobind::handle arguments, int job);

  /// In the forked child. Returns if it cannot be started.
  void start(const spawn_assignment& told) noexcept;

 private:
  std::vector<std::string> arguments_;
  int job_;
};

}  // namespace parmap::python
