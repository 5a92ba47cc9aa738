// SPDX-License-Identifier: MIT
// A Python object as the result of a task: scalars as bytes, everything else as a pickle, with large buffers beside it.
#pragma once

#include "flat_containers.hpp"
#include "large_buffer_file.hpp"
#include "map_of_thread.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/parmap.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace parmap::python {

namespace nb = nanobind;

/// Owns a reference. Make and destroy it with the GIL held.
class value {
 public:
  value() = default;
  explicit value(PyObject* stolen) noexcept : object_(stolen) {}
  value(value&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  value& operator=(value&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~value() { Py_XDECREF(object_); }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_{};
};

/// How the NumPy scalars of one type are encoded.
enum class number : std::uint8_t { boolean, integer, natural, real, complex };

/// What a map needs to bring values out of its workers. Each thread uses the one of its innermost map; maps nest.
class value_transport {
 public:
  struct scalar_type {
    PyTypeObject* type;
    number how;
  };

  /// The Python functions that pickle values.
  struct pickling {
    nb::handle dumps;      // like pickle.dumps
    nb::handle otherwise;  // otherwise(object, error, buffer_callback) -> bytes, called if dumps has raised
    nb::handle loads;      // like pickle.loads
  };

  /// `scalar_types`: NumPy's scalar types as (type, letter of numpy.dtype.kind). `interrupts(error)` tells whether an
  /// error of unpickling is an interrupt and not a fault of the result; then no further result is unpickled.
  value_transport(const pickling& how, nb::handle scalar_types, large_buffer_file& buffers,
                  std::function<bool(const nb::object&)> interrupts);
  value_transport(const value_transport&) = delete;
  value_transport& operator=(const value_transport&) = delete;
  ~value_transport() { current_map.transport = outer_; }

  [[nodiscard]] static const value_transport& current() noexcept { return *current_map.transport; }

  void encode(encoder& out, PyObject* object) const;
  [[nodiscard]] PyObject* decode(decoder& in) const;
  /// Returns whether decoding runs no Python code.
  [[nodiscard]] static bool is_plain(detail::byte_reader bytes);

 private:
  [[nodiscard]] bool encode_scalar(encoder& out, PyObject* object) const;
  [[nodiscard]] PyObject* decode_scalar(decoder& in) const;
  [[nodiscard]] PyObject* decode_flat(decoder& in) const;
  void encode_pickled(encoder& out, PyObject* object) const;
  [[nodiscard]] nb::object pickled(PyObject* object) const;
  [[nodiscard]] PyObject* decode_pickled(decoder& in, nb::handle buffers) const;
  [[nodiscard]] nb::object decode_buffers(decoder& in) const;
  // Called with a pickle.PickleBuffer: writes it to the file. Returns whether it must go into the pickle instead.
  [[nodiscard]] bool goes_inside(nb::handle buffer) const;
  [[nodiscard]] PyObject* unpickled(PyObject* view, PyObject* buffers) const;

  pickling how_;
  nb::object protocol_;
  nb::object goes_inside_;
  nb::object dumps_names_;
  nb::object loads_names_;
  std::vector<scalar_type> scalars_;
  large_buffer_file& buffers_;
  mutable flat_writer flat_writer_;
  mutable flat_reader flat_reader_;
  mutable std::vector<large_buffer_file::place> written_;  // buffers of the value that is being pickled
  std::function<bool(const nb::object&)> interrupts_;
  mutable bool given_up_{};
  const value_transport* outer_;
};

}  // namespace parmap::python

template <>
struct parmap::codec<parmap::python::value> {
  static void encode(encoder& out, const python::value& it) {
    python::value_transport::current().encode(out, it.get());
  }
  static python::value decode(decoder& in) { return python::value(python::value_transport::current().decode(in)); }
};

template <>
struct parmap::detail::early_reading<parmap::python::value> {
  static bool of(const byte_reader& bytes) { return python::value_transport::is_plain(bytes); }
};
