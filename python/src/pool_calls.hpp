// SPDX-License-Identifier: MIT
// pool_calls: what the workers of a Python pool run, and how it is sent there.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_function.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace parmap::python {

/// The Python functions by which a worker reads what it was sent.
struct pool_readers {
  nanobind::handle function;  // function(bytes), see pool_call
  nanobind::handle inputs;    // inputs(bytes, buffers)
};

/// While one lives, what this thread forks reads by these, and so does a program in it.
class reads_by {
 public:
  explicit reads_by(const pool_readers& mine) noexcept : outer_(std::exchange(current_, mine)) {}
  reads_by(const reads_by&) = delete;
  reads_by& operator=(const reads_by&) = delete;
  ~reads_by() { current_ = outer_; }

  /// In a worker.
  [[nodiscard]] static const pool_readers& current() noexcept { return current_; }

 private:
  pool_readers outer_;

  static inline thread_local pool_readers current_{};
};

/// Where a worker finds what the caller has put into the memory of its pool.
class shared_place {
 public:
  /// In a worker that is a program of its own: how far that memory is from where the caller has it.
  static void set_distance(std::ptrdiff_t distance) noexcept { distance_ = distance; }
  /// Of an address of the caller.
  [[nodiscard]] static char* here(std::uintptr_t address) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was one, in the caller
    return reinterpret_cast<char*>(address + static_cast<std::uintptr_t>(distance_));
  }

 private:
  static inline std::ptrdiff_t distance_{};
};

/// What a sent function is.
enum class pool_call : std::uint64_t {
  plan,   ///< (func, fargs); its inputs are the axes of a call_plan
  single  ///< func; its inputs are (args, kwargs) of one call
};

/// The bytes of a function, from its pickle.
[[nodiscard]] std::vector<std::byte> bytes_of_pool_function(pool_call how, nanobind::bytes pickle);

/// Reads the bytes of a function, in a worker.
[[nodiscard]] std::unique_ptr<detail::pool_function> read_pool_function(detail::byte_reader bytes);

/// Inputs: their pickle, and large buffers that are not in it.
class pool_inputs_writer {
 public:
  /// `buffers`: a list of pickle.PickleBuffer. `first`: the task to which the first elements of the axes belong.
  pool_inputs_writer(std::uint64_t first, nanobind::bytes pickle, const nanobind::list& buffers);
  pool_inputs_writer(const pool_inputs_writer&) = delete;
  pool_inputs_writer& operator=(const pool_inputs_writer&) = delete;
  ~pool_inputs_writer();

  /// Calls no Python.
  void write(detail::byte_writer& to) const;

 private:
  std::uint64_t first_;
  nanobind::bytes pickle_;
  std::vector<Py_buffer> buffers_;
};

}  // namespace parmap::python
