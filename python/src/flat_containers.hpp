// SPDX-License-Identifier: MIT
// Encodes small lists, tuples and dicts of plain values, which tasks often return: several times cheaper than a pickle.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/encoding.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace parmap::python {

/// Containers that nest deeper are pickled.
inline constexpr unsigned deepest = 20;

/// Encodes containers of exactly these types, nested or not, that hold only None, bool, int within 64 bits, float, str
/// and bytes. It leaves a container with more than one reference to pickle, which preserves identity; and everything
/// that takes more than `longest` bytes. Call it where no other thread can change the object (free_threading.hpp).
class flat_writer {
 public:
  static constexpr std::size_t longest = 4096;

  /// Returns the encoded bytes, valid until the next call; empty if the object must be pickled.
  [[nodiscard]] std::string_view write(PyObject* container);

 private:
  [[nodiscard]] bool put(PyObject* object, unsigned depth);
  [[nodiscard]] bool put_items(PyObject* const* items, Py_ssize_t count, unsigned depth);
  [[nodiscard]] bool put_entries(PyObject* dict, unsigned depth);
  [[nodiscard]] bool put_text(PyObject* text);
  [[nodiscard]] bool put_run(char tag, const char* from, Py_ssize_t size);
  void put_number(long long number);
  void put_size(Py_ssize_t size);
  template <class T>
  void put_bytes(const T& value);

  static constexpr std::size_t longest_head = 16;  // a tag and what follows it, except text and items

  char* at_{};
  std::array<char, longest + longest_head> bytes_;
};

/// A dict with the same keys in the same order as an earlier one is decoded as a copy of that one with other values;
/// its keys are the same objects. Use and destroy it with the GIL held.
class flat_reader {
 public:
  flat_reader() = default;
  flat_reader(const flat_reader&) = delete;
  flat_reader& operator=(const flat_reader&) = delete;
  ~flat_reader();

  /// Returns a new reference. Throws bad_encoding, nanobind::python_error.
  [[nodiscard]] nanobind::object read(decoder& in) { return get(in, in.get<char>(), 0); }

 private:
  // The keys of a dict, all of them short ASCII.
  struct shape {
    nanobind::object dict;          // has these keys
    std::vector<PyObject*> keys{};  // borrowed from dict
    unsigned misses{};
  };

  [[nodiscard]] nanobind::object get(decoder& in, char what, unsigned depth);
  [[nodiscard]] nanobind::object get_dict(decoder& in, unsigned depth);
  [[nodiscard]] nanobind::object get_key(decoder& in, unsigned depth);
  [[nodiscard]] nanobind::object key_of(std::string_view from);
  void learn(shape& into, nanobind::handle dict);

  std::array<PyObject*, 256> keys_{};
  // A dict inside another one has its own shape: it is read, and may be learnt, while the outer one is being read.
  static constexpr unsigned sizes = 8;
  std::array<std::array<shape, sizes>, deepest + 1> shapes_{};
};

}  // namespace parmap::python
