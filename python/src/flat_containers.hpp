// SPDX-License-Identifier: MIT
// Small lists, tuples and dicts of plain values, as tasks often return: several times cheaper than a pickle.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/encoding.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace parmap::python {

/// Containers nest at most so deep, or go by pickle.
inline constexpr unsigned deepest = 20;

/// Of exactly those types, and of None, bool, int within 64 bits, float, str and bytes, nested too. A container that
/// may be referred to twice is left to pickle, which keeps it one; so is whatever takes more than `longest` bytes.
class flat_writer {
 public:
  static constexpr std::size_t longest = 4096;

  /// The encoded bytes, valid until the next call; empty if this object is not for here.
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

  static constexpr std::size_t longest_head = 16;  // a tag and what follows it, but for text and items

  char* at_{};
  std::array<char, longest + longest_head> bytes_;
};

/// Dicts like those it has read before, of the same keys in the same order, are copies of one, with other values; their
/// keys are the same objects. GIL held, as at its end.
class flat_reader {
 public:
  flat_reader() = default;
  flat_reader(const flat_reader&) = delete;
  flat_reader& operator=(const flat_reader&) = delete;
  ~flat_reader();

  /// A new reference. Throws bad_encoding, nanobind::python_error.
  [[nodiscard]] nanobind::object read(decoder& in) { return get(in, in.get<char>(), 0); }

 private:
  // The keys of a dict, short ASCII ones.
  struct shape {
    nanobind::object dict;          // with these keys
    std::vector<PyObject*> keys{};  // its
    unsigned misses{};
  };

  [[nodiscard]] nanobind::object get(decoder& in, char what, unsigned depth);
  [[nodiscard]] nanobind::object get_dict(decoder& in, unsigned depth);
  [[nodiscard]] nanobind::object get_key(decoder& in, unsigned depth);
  [[nodiscard]] nanobind::object key_of(std::string_view from);
  void learn(shape& into, nanobind::handle dict);

  std::array<PyObject*, 256> keys_{};
  // A dict inside another one has a shape of its own: it is read, and may be learnt, while the outer one is.
  static constexpr unsigned sizes = 8;
  std::array<std::array<shape, sizes>, deepest + 1> shapes_{};
};

}  // namespace parmap::python
