// SPDX-License-Identifier: MIT
#include "value_transport.hpp"

#include "exception_transport.hpp"
#include "free_threading.hpp"
#include "interpreter_shutdown.hpp"
#include "result_buffer.hpp"

#include <nanobind/stl/string_view.h>

#include <parmap/detail/results/exception_message.hpp>

#include <array>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace parmap::python {

namespace {

// The first byte of an encoded value. A scalar including this byte fits into a slot (encoded_slot::longest_short).
enum class tag : std::uint8_t { none, no, yes, integer, real, text, bytes, scalar, flat, pickled, buffers };

void put(encoder& out, tag what) { out.put(static_cast<std::uint8_t>(what)); }

// Returns all bytes that are left.
std::string_view rest(decoder& in) {
  const std::size_t size = in.left();
  return {reinterpret_cast<const char*>(in.read(size)), size};
}

PyObject* checked(PyObject* made) {
  if (made == nullptr) throw_unreadable();
  return made;
}

}  // namespace

value_transport::value_transport(const pickling& how, nb::handle scalar_types, large_buffer_file& buffers,
                                 std::function<bool(const nb::object&)> interrupts)
    : how_(how),
      protocol_(nb::int_(5)),
      goes_inside_(nb::cpp_function([this](nb::handle buffer) { return goes_inside(buffer); })),
      dumps_names_(nb::make_tuple("protocol", "buffer_callback")),
      loads_names_(nb::make_tuple("buffers")),
      buffers_(buffers),
      interrupts_(std::move(interrupts)),
      outer_(std::exchange(current_map.transport, this)) {
  for (nb::handle each : scalar_types) {
    const nb::tuple pair = nb::borrow<nb::tuple>(each);
    number how{};
    switch (nb::cast<std::string_view>(pair[1]).front()) {
      case 'b': how = number::boolean; break;
      case 'i': how = number::integer; break;
      case 'u': how = number::natural; break;
      case 'f': how = number::real; break;
      default: how = number::complex; break;
    }
    scalars_.push_back({reinterpret_cast<PyTypeObject*>(nb::handle(pair[0]).ptr()), how});
  }
}

void value_transport::encode(encoder& out, PyObject* object) const {
  if (object == Py_None) return put(out, tag::none);
  if (object == Py_True) return put(out, tag::yes);
  if (object == Py_False) return put(out, tag::no);
  if (PyFloat_CheckExact(object)) {
    put(out, tag::real);
    return out.put(PyFloat_AS_DOUBLE(object));
  }
  if (PyLong_CheckExact(object)) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) return encode_pickled(out, object);
    put(out, tag::integer);
    return out.put(std::int64_t{number});
  }
  if (PyUnicode_CheckExact(object)) {
    Py_ssize_t size = 0;
    const char* const text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == nullptr) {  // lone surrogates; no bytecode has run
      PyErr_Clear();
      return encode_pickled(out, object);
    }
    put(out, tag::text);
    return out.write(text, static_cast<std::size_t>(size));
  }
  if (PyBytes_CheckExact(object)) {
    put(out, tag::bytes);
    return out.write(PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
  }
  if ((PyDict_CheckExact(object) || PyTuple_CheckExact(object) || PyList_CheckExact(object)) && runs_alone()) {
    const std::string_view bytes = flat_writer_.write(object);
    if (bytes.empty()) return encode_pickled(out, object);
    put(out, tag::flat);
    return out.write(bytes.data(), bytes.size());
  }
  if (!encode_scalar(out, object)) encode_pickled(out, object);
}

// Converts through Python's own numbers, which hold every value of these types exactly.
bool value_transport::encode_scalar(encoder& out, PyObject* object) const {
  for (std::size_t k = 0; k < scalars_.size(); ++k) {
    if (scalars_[k].type != Py_TYPE(object)) continue;
    const auto head = [&] {
      put(out, tag::scalar);
      out.put(static_cast<std::uint8_t>(k));
    };
    switch (scalars_[k].how) {
      case number::boolean: {
        head();
        out.put(std::int64_t{PyObject_IsTrue(object)});
        return true;
      }
      case number::integer:
      case number::natural: {
        const nb::object plain = nb::steal(PyNumber_Index(object));
        if (!plain.is_valid()) throw_unpicklable(object);
        head();
        if (scalars_[k].how == number::integer) out.put(std::int64_t{PyLong_AsLongLong(plain.ptr())});
        else out.put(std::uint64_t{PyLong_AsUnsignedLongLong(plain.ptr())});
        return true;
      }
      case number::real: {
        const double plain = PyFloat_AsDouble(object);
        head();
        out.put(plain);
        return true;
      }
      case number::complex: {
        const Py_complex plain = PyComplex_AsCComplex(object);
        head();
        out.put(plain.real);
        out.put(plain.imag);
        return true;
      }
    }
  }
  return false;
}

void value_transport::encode_pickled(encoder& out, PyObject* object) const {
  const std::uint64_t before = buffers_.used();
  try {
    const nb::object bytes = pickled(object);
    put(out, written_.empty() ? tag::pickled : tag::buffers);
    if (!written_.empty()) {
      out.put(std::uint64_t{written_.size()});
      for (const large_buffer_file::place& each : written_) out.put(each);
    }
    out.write(PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  } catch (...) {
    buffers_.rewind(before);
    throw;
  }
}

nb::object value_transport::pickled(PyObject* object) const {
  const std::uint64_t before = buffers_.used();
  written_.clear();
  const std::array<PyObject*, 4> arguments{nullptr, object, protocol_.ptr(), goes_inside_.ptr()};
  nb::object bytes = nb::steal(PyObject_Vectorcall(how_.dumps.ptr(), arguments.data() + 1,
                                                   1 | PY_VECTORCALL_ARGUMENTS_OFFSET, dumps_names_.ptr()));
  if (!bytes.is_valid()) {
    buffers_.rewind(before);
    written_.clear();
    const nb::object error = take_exception();
    bytes =
        nb::steal(PyObject_CallFunctionObjArgs(how_.otherwise.ptr(), object, error.ptr(), goes_inside_.ptr(), nullptr));
  }
  if (!bytes.is_valid() || !PyBytes_Check(bytes.ptr())) throw_unpicklable(object);
  return bytes;
}

bool value_transport::goes_inside(nb::handle buffer) const {
  const Py_buffer* const view = PyPickleBuffer_GetBuffer(buffer.ptr());
  if (view == nullptr) throw nb::python_error();
  if (PyBuffer_IsContiguous(view, 'A') == 0) return true;  // pickle refuses it with its own message
  const auto place = buffers_.append(view->buf, static_cast<std::size_t>(view->len));
  if (place) written_.push_back(*place);
  return !place;
}

PyObject* value_transport::decode(decoder& in) const {
  switch (static_cast<tag>(in.get<std::uint8_t>())) {
    case tag::none: return Py_NewRef(Py_None);
    case tag::no: return Py_NewRef(Py_False);
    case tag::yes: return Py_NewRef(Py_True);
    case tag::integer: return checked(PyLong_FromLongLong(in.get<std::int64_t>()));
    case tag::real: return checked(PyFloat_FromDouble(in.get<double>()));
    case tag::text: {
      const std::string_view text = rest(in);
      return checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
    }
    case tag::bytes: {
      const std::string_view bytes = rest(in);
      return checked(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
    }
    case tag::scalar: return decode_scalar(in);
    case tag::flat: return decode_flat(in);
    case tag::pickled: return decode_pickled(in, nb::handle());
    case tag::buffers: return decode_pickled(in, decode_buffers(in));
  }
  throw bad_encoding("no value begins with such a byte");
}

bool value_transport::is_plain(detail::byte_reader bytes) {
  if (bytes.left() == 0) return false;
  const auto what = static_cast<tag>(*bytes.read(1));
  return what != tag::pickled && what != tag::buffers;
}

PyObject* value_transport::decode_flat(decoder& in) const {
  try {
    return flat_reader_.read(in).release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
    throw_unreadable();
  }
}

PyObject* value_transport::decode_scalar(decoder& in) const {
  const std::size_t k = in.get<std::uint8_t>();
  if (k >= scalars_.size()) throw bad_encoding("there is no such scalar type");
  nb::object plain;
  switch (scalars_[k].how) {
    case number::boolean: plain = nb::steal(PyBool_FromLong(in.get<std::int64_t>() != 0)); break;
    case number::integer: plain = nb::steal(PyLong_FromLongLong(in.get<std::int64_t>())); break;
    case number::natural: plain = nb::steal(PyLong_FromUnsignedLongLong(in.get<std::uint64_t>())); break;
    case number::real: plain = nb::steal(PyFloat_FromDouble(in.get<double>())); break;
    case number::complex: {
      const auto real = in.get<double>();
      plain = nb::steal(PyComplex_FromDoubles(real, in.get<double>()));
      break;
    }
  }
  if (!plain.is_valid()) throw_unreadable();
  return checked(PyObject_CallOneArg(reinterpret_cast<PyObject*>(scalars_[k].type), plain.ptr()));
}

// `buffers` is null if there are none.
PyObject* value_transport::decode_pickled(decoder& in, nb::handle buffers) const {
  const std::string_view bytes = rest(in);
  const nb::object view = nb::steal(
      PyMemoryView_FromMemory(const_cast<char*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()), PyBUF_READ));
  if (!view.is_valid()) throw_unreadable();
  nb::object made = nb::steal(unpickled(view.ptr(), buffers.ptr()));
  // The memory ends with the map. If a view of it was kept, release() fails now, which avoids a crash later.
  if (!nb::steal(PyObject_CallMethod(view.ptr(), "release", nullptr)).is_valid()) throw_unreadable();
  return made.release().ptr();
}

// Returns views of the mapped memory, or copies where it cannot be mapped.
nb::object value_transport::decode_buffers(decoder& in) const {
  const std::size_t count = in.get_count(sizeof(large_buffer_file::place));
  nb::list all;
  for (std::size_t k = 0; k < count; ++k) {
    const auto where = in.get<large_buffer_file::place>();
    try {
      if (auto bytes = buffers_.map(where)) {
        all.append(view_of(std::move(*bytes)));
        continue;
      }
      const nb::object copy = nb::steal(PyByteArray_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(where.size)));
      if (!copy.is_valid()) throw nb::python_error();
      if (!buffers_.read(where, PyByteArray_AS_STRING(copy.ptr())))
        throw bad_encoding("the bytes of a large buffer cannot be read");
      all.append(copy);
    } catch (nb::python_error& error) {
      error.restore();
      throw_unreadable();
    }
  }
  return all;
}

PyObject* value_transport::unpickled(PyObject* view, PyObject* buffers) const {
  if (!given_up_) {
    const std::array<PyObject*, 3> arguments{nullptr, view, buffers};
    const call_out here;
    PyObject* const made = unless_python_ends([&] {
      return PyObject_Vectorcall(how_.loads.ptr(), arguments.data() + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                 buffers != nullptr ? loads_names_.ptr() : nullptr);
    });
    if (made != nullptr) return made;
    const nb::object error = take_exception();
    given_up_ = interrupts_(error);
    if (!given_up_) throw_unreadable(error);
  }
  throw detail::foreign_exception{failure_kind::stopped};
}

}  // namespace parmap::python
