// SPDX-License-Identifier: MIT
// The bodies of stored_value.hpp.
#pragma once

#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/detail/system/utf8.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE stored_value stored_integer_of(std::int64_t x, value_format format) {
  return {.format = format, .integer = x};
}
PARMAP_INLINE stored_value stored_real_of(double x) { return {.format = value_format::real, .real = x}; }
PARMAP_INLINE stored_value stored_bytes_of(std::string&& bytes, value_format format) {
  return {.format = format, .bytes = std::move(bytes)};
}
PARMAP_INLINE stored_value stored_text_of(std::string_view text) {
  return {.format =
              is_utf8(text) && text.find('\0') == std::string_view::npos ? value_format::text : value_format::bytes,
          .bytes = std::string(text)};
}

PARMAP_INLINE stored_value stored_natural_of(std::uint64_t x) {
  std::string bytes(sizeof x, '\0');
  for (std::size_t i = 0; i < sizeof x; ++i) bytes[i] = static_cast<char>(x >> 8 * i & 0xff);
  return {.format = value_format::natural, .bytes = std::move(bytes)};
}

PARMAP_INLINE std::uint64_t natural_of(const stored_value& it) {
  if (it.bytes.size() != sizeof(std::uint64_t)) throw other_format("a number of another size");
  std::uint64_t x = 0;
  for (std::size_t i = 0; i < sizeof x; ++i) x |= std::uint64_t{static_cast<unsigned char>(it.bytes[i])} << 8 * i;
  return x;
}

PARMAP_INLINE double real_of(const stored_value& it) {
  constexpr std::int64_t most = std::int64_t{1} << 53;  // beyond it not every integer is a double
  if (it.format == value_format::integer && it.integer >= -most && it.integer <= most)
    return static_cast<double>(it.integer);
  expect_format(it, value_format::real, "real");
  return it.real;
}

PARMAP_INLINE void expect_format(const stored_value& it, value_format format, std::string_view wanted) {
  if (it.format != format) throw_other_format(it, wanted);
}

PARMAP_INLINE void throw_other_format(const stored_value& found, std::string_view wanted) {
  constexpr const char* names[] = {"nothing",
                                   "an integer",
                                   "a real number",
                                   "a boolean",
                                   "text",
                                   "bytes",
                                   "a number above 2^63",
                                   "an array of numbers",
                                   "a value of parmap::codec",
                                   "a pickled value of Python",
                                   "JSON",
                                   "a dataclass of Python",
                                   "None of Python",
                                   "bytes of Python"};
  constexpr std::size_t longest = 120;
  const auto at = static_cast<std::size_t>(found.format);
  std::string text = at < std::size(names) ? names[at] : "of a format that this version does not know";
  if (found.format == value_format::integer) text += " (" + std::to_string(found.integer) + ')';
  if (found.format == value_format::json || found.format == value_format::dataclass)
    text += " (" + (found.bytes.size() <= longest ? found.bytes : found.bytes.substr(0, longest) + "...") + ')';
  throw other_format(text + ", and here the type is " + std::string(wanted));
}

// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
PARMAP_INLINE std::string to_npy(std::string_view type, std::span<const std::byte> numbers, std::size_t count) {
  std::string header =
      "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': (" + std::to_string(count) + ",), }";
  constexpr std::size_t before = 10;  // the magic, the version and the length of the header
  header.append(64 - (before + header.size() + 1) % 64, ' ');
  header += '\n';
  std::string all("\x93NUMPY\x01\x00", 8);
  all += static_cast<char>(header.size() & 0xff);
  all += static_cast<char>(header.size() >> 8);
  all += header;
  all.append(reinterpret_cast<const char*>(numbers.data()), numbers.size());
  return all;
}

PARMAP_INLINE std::span<const std::byte> from_npy(std::string_view bytes, std::string_view type) {
  const std::string_view magic("\x93NUMPY\x01\x00", 8);
  if (bytes.size() < 10 || !bytes.starts_with(magic)) throw other_format("an array in another form of .npy");
  const std::size_t length = static_cast<unsigned char>(bytes[8]) | std::size_t{static_cast<unsigned char>(bytes[9])}
                                                                        << 8;
  if (bytes.size() - 10 < length) throw other_format("an array without its end");
  const std::string_view header = bytes.substr(10, length);
  const std::string_view numbers = bytes.substr(10 + length);
  const std::size_t shape = header.find("'shape': (");
  const std::size_t ends = header.find(')', shape);
  // Of one axis: "(3,)".
  const bool is_vector = shape != std::string_view::npos && ends != std::string_view::npos && header[ends - 1] == ',' &&
                         header.find(',', shape) == ends - 1;
  if (!is_vector || header.find("'descr': '" + std::string(type) + "'") == std::string_view::npos ||
      header.find("'fortran_order': False") == std::string_view::npos)
    throw other_format("an array of other numbers, " +
                       std::string(header.substr(0, header.find_last_not_of(" \n") + 1)) +
                       ", and here it is one axis of " + std::string(type));
  return std::as_bytes(std::span(numbers.data(), numbers.size()));
}

}  // namespace parmap::inline PARMAP_ABI::detail
