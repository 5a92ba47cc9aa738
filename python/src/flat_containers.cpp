// SPDX-License-Identifier: MIT
#include "flat_containers.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// The first byte of each value.
enum tag : char {
  none = 'n',
  no = '0',
  yes = '1',
  tiny_integer = 'j',   // within 8 bits
  small_integer = 'k',  // within 32 bits
  integer = 'i',
  real = 'r',
  text = 't',
  bytes = 'b',
  list = 'l',
  tuple = 'u',
  dict = 'd'
};

// The size of a text or container is one byte; or this byte and four more.
constexpr std::uint8_t large_size = 255;

constexpr std::size_t longest_key = 64;

nb::object owned(PyObject* made) {
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

std::uint32_t size_from(decoder& in) {
  const auto small = in.get<std::uint8_t>();
  return small == large_size ? in.get<std::uint32_t>() : small;
}

std::string_view run(decoder& in) {
  const std::size_t size = size_from(in);
  return {reinterpret_cast<const char*>(in.read(size)), size};
}

bool is_same_text(PyObject* ascii, std::string_view other) {
  return static_cast<std::size_t>(PyUnicode_GET_LENGTH(ascii)) == other.size() &&
         std::memcmp(PyUnicode_1BYTE_DATA(ascii), other.data(), other.size()) == 0;
}

nb::object text_of(std::string_view from) {
  return owned(PyUnicode_DecodeUTF8(from.data(), static_cast<Py_ssize_t>(from.size()), nullptr));
}

}  // namespace

std::string_view flat_writer::write(PyObject* container) {
  at_ = bytes_.data();
  return put(container, 0) ? std::string_view(bytes_.data(), at_) : std::string_view();
}

template <class T>
void flat_writer::put_bytes(const T& value) {
  std::memcpy(at_, &value, sizeof value);
  at_ += sizeof value;
}

void flat_writer::put_size(Py_ssize_t size) {
  if (size < large_size) return put_bytes(static_cast<std::uint8_t>(size));
  put_bytes(large_size);
  put_bytes(static_cast<std::uint32_t>(size));
}

void flat_writer::put_number(long long number) {
  const auto as = [&]<class Narrow>(char tag, Narrow narrow) {
    put_bytes(tag);
    put_bytes(narrow);
  };
  if (number == static_cast<std::int8_t>(number)) as(tiny_integer, static_cast<std::int8_t>(number));
  else if (number == static_cast<std::int32_t>(number)) as(small_integer, static_cast<std::int32_t>(number));
  else as(integer, std::int64_t{number});
}

bool flat_writer::put_run(char tag, const char* from, Py_ssize_t size) {
  put_bytes(tag);
  put_size(size);
  if (size > bytes_.data() + longest - at_) return false;
  at_ = std::copy_n(from, size, at_);
  return true;
}

bool flat_writer::put_text(PyObject* it) {
  Py_ssize_t size = 0;
  const char* const from = PyUnicode_AsUTF8AndSize(it, &size);
  if (from != nullptr) return put_run(text, from, size);
  PyErr_Clear();  // lone surrogates; no bytecode has run
  return false;
}

bool flat_writer::put(PyObject* object, unsigned depth) {
  if (at_ >= bytes_.data() + longest) return false;
  if (object == Py_None) return put_bytes(char{none}), true;
  if (object == Py_False) return put_bytes(char{no}), true;
  if (object == Py_True) return put_bytes(char{yes}), true;
  if (PyFloat_CheckExact(object)) {
    put_bytes(char{real});
    put_bytes(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (PyLong_CheckExact(object)) {
    int overflow = 0;
    put_number(PyLong_AsLongLongAndOverflow(object, &overflow));
    return overflow == 0;
  }
  if (PyUnicode_CheckExact(object)) return put_text(object);
  if (PyBytes_CheckExact(object)) return put_run(bytes, PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));

  // No other reference to it exists, so it is not in the result twice. The empty tuple is shared, but has no identity
  // to keep.
  const bool alone =
      depth == 0 || Py_REFCNT(object) == 1 || (PyTuple_CheckExact(object) && PyTuple_GET_SIZE(object) == 0);
  if (!alone || depth == deepest) return false;
  if (PyList_CheckExact(object)) {
    put_bytes(char{list});
    return put_items(reinterpret_cast<PyListObject*>(object)->ob_item, PyList_GET_SIZE(object), depth + 1);
  }
  if (PyTuple_CheckExact(object)) {
    put_bytes(char{tuple});
    return put_items(reinterpret_cast<PyTupleObject*>(object)->ob_item, PyTuple_GET_SIZE(object), depth + 1);
  }
  return PyDict_CheckExact(object) && put_entries(object, depth + 1);
}

bool flat_writer::put_items(PyObject* const* items, Py_ssize_t count, unsigned depth) {
  put_size(count);
  for (Py_ssize_t k = 0; k < count; ++k)
    if (!put(items[k], depth)) return false;
  return true;
}

bool flat_writer::put_entries(PyObject* it, unsigned depth) {
  put_bytes(char{dict});
  put_size(PyDict_GET_SIZE(it));
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
    case tiny_integer: return owned(PyLong_FromLong(in.get<std::int8_t>()));
    case small_integer: return owned(PyLong_FromLong(in.get<std::int32_t>()));
    case integer: return owned(PyLong_FromLongLong(in.get<std::int64_t>()));
    case text: return text_of(run(in));
    case bytes: {
      const std::string_view from = run(in);
      return owned(PyBytes_FromStringAndSize(from.data(), static_cast<Py_ssize_t>(from.size())));
    }
    case list: {
      const std::uint32_t count = size_from(in);
      if (count > in.left()) break;
      const nb::object made = owned(PyList_New(static_cast<Py_ssize_t>(count)));
      for (std::uint32_t k = 0; k < count; ++k)
        PyList_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(k), get(in, in.get<char>(), depth + 1).release().ptr());
      return made;
    }
    case tuple: {
      const std::uint32_t count = size_from(in);
      if (count > in.left()) break;
      const nb::object made = owned(PyTuple_New(static_cast<Py_ssize_t>(count)));
      for (std::uint32_t k = 0; k < count; ++k)
        PyTuple_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(k), get(in, in.get<char>(), depth + 1).release().ptr());
      return made;
    }
    case dict: return get_dict(in, depth);
    default: break;
  }
  throw bad_encoding("no plain value is encoded like that");
}

// While the keys are those of the last dict of this size, this puts the values into a copy of that dict. From the first
// key that differs, it adds the entries one by one.
nb::object flat_reader::get_dict(decoder& in, unsigned depth) {
  const std::uint32_t count = size_from(in);
  shape& known = shapes_[depth][count % sizes];
  const bool fits = count > 0 && known.keys.size() == count;
  nb::object made = owned(fits ? PyDict_Copy(known.dict.ptr()) : PyDict_New());
  std::uint32_t k = 0;
  const auto put_value = [&](PyObject* key) {
    const nb::object value = get(in, in.get<char>(), depth + 1);
    if (PyDict_SetItem(made.ptr(), key, value.ptr()) != 0) throw nb::python_error();
  };
  nb::object other;
  for (; fits && k < count; ++k) {
    const char what = in.get<char>();
    const std::string_view key = what == text ? run(in) : std::string_view();
    if (what == text && is_same_text(known.keys[k], key)) {
      put_value(known.keys[k]);
      continue;
    }
    other = what == text ? key_of(key) : get(in, what, depth + 1);
    break;
  }
  if (k == count && count > 0) return made;

  if (fits) {
    const nb::object copied = std::exchange(made, owned(PyDict_New()));
    for (std::uint32_t j = 0; j < k; ++j)
      if (PyDict_SetItem(made.ptr(), known.keys[j], PyDict_GetItem(copied.ptr(), known.keys[j])) != 0)
        throw nb::python_error();
  }
  for (; k < count; ++k) {
    const nb::object key = other.is_valid() ? std::exchange(other, nb::object()) : get_key(in, depth + 1);
    put_value(key.ptr());
  }
  // If the keys differ every time, it stops learning after some misses.
  if (known.misses < 16) learn(known, made);
  return made;
}

void flat_reader::learn(shape& into, nb::handle dict) {
  ++into.misses;
  into.keys.clear();
  into.dict = owned(PyDict_New());
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  bool short_ascii = true;
  for (Py_ssize_t at = 0; short_ascii && PyDict_Next(dict.ptr(), &at, &key, &value) != 0;) {
    short_ascii = PyUnicode_CheckExact(key) && PyUnicode_IS_COMPACT_ASCII(key);
    if (short_ascii && PyDict_SetItem(into.dict.ptr(), key, Py_None) != 0) throw nb::python_error();
    into.keys.push_back(key);
  }
  if (!short_ascii) into.keys.clear();
}

nb::object flat_reader::get_key(decoder& in, unsigned depth) {
  const char what = in.get<char>();
  return what == text ? key_of(run(in)) : get(in, what, depth);
}

// Caches short ASCII keys, together with their hashes.
nb::object flat_reader::key_of(std::string_view from) {
  if (from.empty() || from.size() > longest_key) return text_of(from);
  std::size_t place = from.size();
  for (const char each : from) place = place * 31 + static_cast<unsigned char>(each);
  PyObject*& kept = keys_[(place ^ place >> 8) % keys_.size()];
  if (kept != nullptr && is_same_text(kept, from)) return nb::borrow(kept);
  nb::object made = text_of(from);
  if (PyUnicode_IS_COMPACT_ASCII(made.ptr())) Py_XSETREF(kept, nb::object(made).release().ptr());
  return made;
}

}  // namespace parmap::python
