// SPDX-License-Identifier: MIT
#include "flat.hpp"

#include <cstdint>
#include <cstring>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// The first byte of each value.
enum tag : char {
  none = 'n',
  no = '0',
  yes = '1',
  integer = 'i',
  real = 'r',
  text = 't',
  bytes = 'b',
  list = 'l',
  tuple = 'u',
  dict = 'd'
};

constexpr unsigned deepest = 20;
constexpr std::size_t longest_key = 64;

nb::object owned(PyObject* made) {
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

std::string_view run(decoder& in) {
  const std::size_t size = in.get<std::uint32_t>();
  return {reinterpret_cast<const char*>(in.read(size)), size};
}

nb::object text_of(std::string_view from) {
  return owned(PyUnicode_DecodeUTF8(from.data(), static_cast<Py_ssize_t>(from.size()), nullptr));
}

}  // namespace

std::string_view flat_writer::write(PyObject* container) {
  bytes_.clear();
  return put(container, 0) ? std::string_view(bytes_) : std::string_view();
}

template <class T>
void flat_writer::put_bytes(const T& value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

bool flat_writer::put_run(char tag, const char* from, Py_ssize_t size) {
  if (static_cast<std::size_t>(size) > longest - bytes_.size()) return false;
  bytes_ += tag;
  put_bytes(static_cast<std::uint32_t>(size));
  bytes_.append(from, static_cast<std::size_t>(size));
  return true;
}

bool flat_writer::put_text(PyObject* it) {
  Py_ssize_t size = 0;
  const char* const from = PyUnicode_AsUTF8AndSize(it, &size);
  if (from != nullptr) return put_run(text, from, size);
  PyErr_Clear();  // lone surrogates
  return false;
}

bool flat_writer::put(PyObject* object, unsigned depth) {
  if (bytes_.size() >= longest) return false;
  if (object == Py_None) return bytes_ += none, true;
  if (object == Py_False) return bytes_ += no, true;
  if (object == Py_True) return bytes_ += yes, true;
  if (PyFloat_CheckExact(object)) {
    bytes_ += real;
    put_bytes(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (PyLong_CheckExact(object)) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    bytes_ += integer;
    put_bytes(std::int64_t{number});
    return overflow == 0;
  }
  if (PyUnicode_CheckExact(object)) return put_text(object);
  if (PyBytes_CheckExact(object)) return put_run(bytes, PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));

  // Held by what holds it here, and by nobody else: so it is not in the result twice. There is only one empty tuple.
  const bool alone =
      depth == 0 || Py_REFCNT(object) == 1 || (PyTuple_CheckExact(object) && PyTuple_GET_SIZE(object) == 0);
  if (!alone || depth == deepest) return false;
  if (PyList_CheckExact(object)) {
    bytes_ += list;
    return put_items(reinterpret_cast<PyListObject*>(object)->ob_item, PyList_GET_SIZE(object), depth + 1);
  }
  if (PyTuple_CheckExact(object)) {
    bytes_ += tuple;
    return put_items(reinterpret_cast<PyTupleObject*>(object)->ob_item, PyTuple_GET_SIZE(object), depth + 1);
  }
  return PyDict_CheckExact(object) && put_entries(object, depth + 1);
}

bool flat_writer::put_items(PyObject* const* items, Py_ssize_t count, unsigned depth) {
  put_bytes(static_cast<std::uint32_t>(count));
  for (Py_ssize_t k = 0; k < count; ++k)
    if (!put(items[k], depth)) return false;
  return true;
}

bool flat_writer::put_entries(PyObject* it, unsigned depth) {
  bytes_ += dict;
  put_bytes(static_cast<std::uint32_t>(PyDict_GET_SIZE(it)));
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(it, &at, &key, &value) != 0;)
    if (!put(key, depth) || !put(value, depth)) return false;
  return true;
}

flat_reader::~flat_reader() {
  for (PyObject* each : keys_) Py_XDECREF(each);
}

nb::object flat_reader::get(decoder& in, char what, unsigned depth) {
  if (depth > deepest) throw bad_encoding("a result is nested too deeply");
  switch (what) {
    case none: return nb::none();
    case no: return nb::borrow(Py_False);
    case yes: return nb::borrow(Py_True);
    case real: return owned(PyFloat_FromDouble(in.get<double>()));
    case integer: return owned(PyLong_FromLongLong(in.get<std::int64_t>()));
    case text: return text_of(run(in));
    case bytes: {
      const std::string_view from = run(in);
      return owned(PyBytes_FromStringAndSize(from.data(), static_cast<Py_ssize_t>(from.size())));
    }
    case list: {
      const auto count = in.get<std::uint32_t>();
      if (count > in.left()) break;
      const nb::object made = owned(PyList_New(static_cast<Py_ssize_t>(count)));
      for (std::uint32_t k = 0; k < count; ++k)
        PyList_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(k), get(in, in.get<char>(), depth + 1).release().ptr());
      return made;
    }
    case tuple: {
      const auto count = in.get<std::uint32_t>();
      if (count > in.left()) break;
      const nb::object made = owned(PyTuple_New(static_cast<Py_ssize_t>(count)));
      for (std::uint32_t k = 0; k < count; ++k)
        PyTuple_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(k), get(in, in.get<char>(), depth + 1).release().ptr());
      return made;
    }
    case dict: {
      const nb::object made = owned(PyDict_New());
      for (auto left = in.get<std::uint32_t>(); left > 0; --left) {
        const nb::object key = get_key(in, depth + 1);
        const nb::object value = get(in, in.get<char>(), depth + 1);
        if (PyDict_SetItem(made.ptr(), key.ptr(), value.ptr()) != 0) throw nb::python_error();
      }
      return made;
    }
    default: break;
  }
  throw bad_encoding("no plain value is encoded like that");
}

// Short ASCII keys, with their hashes, are kept: the next task's dict has the same ones.
nb::object flat_reader::get_key(decoder& in, unsigned depth) {
  const char what = in.get<char>();
  if (what != text) return get(in, what, depth);
  const std::string_view from = run(in);
  if (from.empty() || from.size() > longest_key) return text_of(from);
  std::size_t place = from.size();
  for (const char each : from) place = place * 31 + static_cast<unsigned char>(each);
  PyObject*& kept = keys_[(place ^ place >> 8) % keys_.size()];
  if (kept != nullptr && static_cast<std::size_t>(PyUnicode_GET_LENGTH(kept)) == from.size() &&
      std::memcmp(PyUnicode_1BYTE_DATA(kept), from.data(), from.size()) == 0)
    return nb::borrow(kept);
  nb::object made = text_of(from);
  if (PyUnicode_IS_COMPACT_ASCII(made.ptr())) Py_XSETREF(kept, nb::object(made).release().ptr());
  return made;
}

}  // namespace parmap::python
