// SPDX-License-Identifier: MIT
// What a worker that is a program of its own is told, and how it is started.
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
  int memory;            // descriptor of the map's memory
  int buffers;           // descriptor of the map's large_buffer_file
  std::uint64_t region;  // its region in that file
};
static_assert(std::is_trivially_copyable_v<spawn_assignment>);

/// Encodes it for the program.
[[nodiscard]] std::string to_text(const spawn_assignment& told);
/// Throws std::invalid_argument if another version of parmap encoded it.
[[nodiscard]] spawn_assignment to_spawn_assignment(std::string_view text);

/// A program that is started in place of a forked worker.
class worker_program {
 public:
  /// `arguments` are bytes objects, the first one is the path. The program gets numbers of descriptors besides, -1 for
  /// one that there is not: a file with its assignment, `job`, the map's memory, its large_buffer_file, and those of
  /// the assignment.
  worker_program(nanobind::handle arguments, int job);

  /// Called in the forked child. Returns only if the program cannot be started.
  void start(const spawn_assignment& told) noexcept;

 private:
  std::vector<std::string> arguments_;
  int job_;
};

}  // namespace parmap::python
