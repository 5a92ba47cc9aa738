// SPDX-License-Identifier: MIT
// A Python object as the result of a task: scalars as they are, everything else as a pickle.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/parmap.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace parmap::python {

namespace nb = nanobind;

/// Owns a reference; made and destroyed with the GIL held.
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

/// How NumPy's scalars of one type travel.
enum class number : std::uint8_t { boolean, integer, natural, real, complex };

/// What a map needs to bring values out of its workers. One map at a time for a thread; maps nest.
class value_transport {
 public:
  struct scalar_type {
    PyTypeObject* type;
    number how;
  };

  /// `pickle(object) -> bytes`, `unpickle(buffer) -> object`; NumPy's scalar types as (type, letter) of
  /// numpy.dtype.kind.
  value_transport(nb::handle pickle, nb::handle unpickle, nb::handle scalar_types);
  value_transport(const value_transport&) = delete;
  value_transport& operator=(const value_transport&) = delete;
  ~value_transport() { current_ = outer_; }

  [[nodiscard]] static const value_transport& current() noexcept { return *current_; }

  void encode(encoder& out, PyObject* object) const;
  [[nodiscard]] PyObject* decode(decoder& in) const;

 private:
  [[nodiscard]] bool encode_scalar(encoder& out, PyObject* object) const;
  [[nodiscard]] PyObject* decode_scalar(decoder& in) const;
  void encode_pickled(encoder& out, PyObject* object) const;
  [[nodiscard]] PyObject* decode_pickled(decoder& in) const;

  PyObject* pickle_;
  PyObject* unpickle_;
  std::vector<scalar_type> scalars_;
  const value_transport* outer_;

  static inline thread_local const value_transport* current_{};
};

}  // namespace parmap::python

template <>
struct parmap::codec<parmap::python::value> {
  static void encode(encoder& out, const python::value& it) {
    python::value_transport::current().encode(out, it.get());
  }
  static python::value decode(decoder& in) { return python::value(python::value_transport::current().decode(in)); }
};
