// SPDX-License-Identifier: MIT
// The bodies of stored_value.hpp.
#pragma once

#include <parmap/detail/stores/stored_value.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Whether the text is UTF-8 without a zero, which SQLite's text can be.
PARMAP_INLINE bool is_plain_utf8(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    if (first == 0) return false;
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i <= more) return false;
    for (std::size_t k = 1; k <= more; ++k)
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    // Overlong forms, surrogates, and what lies above U+10FFFF.
    const unsigned second = byte(i + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
      return false;
    i += more + 1;
  }
  return true;
}

PARMAP_INLINE stored_value stored_integer_of(std::int64_t x, value_format format) {
  return {.format = format, .integer = x};
}
PARMAP_INLINE stored_value stored_real_of(double x) { return {.format = value_format::real, .real = x}; }
PARMAP_INLINE stored_value stored_bytes_of(std::string&& bytes, value_format format) {
  return {.format = format, .bytes = std::move(bytes)};
}
PARMAP_INLINE stored_value stored_text_of(std::string_view text) {
  return {.format = is_plain_utf8(text) ? value_format::text : value_format::bytes, .bytes = std::string(text)};
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

PARMAP_INLINE void expect_format(const stored_value& it, value_format format) {
  if (it.format != format) throw_other_format(it.format);
}

PARMAP_INLINE void throw_other_format(value_format found) {
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
  const auto at = static_cast<std::size_t>(found);
  throw other_format(at < std::size(names) ? names[at] : "of a format that this version does not know");
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
  if (header.find("'descr': '" + std::string(type) + "'") == std::string_view::npos ||
      header.find("'fortran_order': False") == std::string_view::npos)
    throw other_format("an array of other numbers: " + std::string(header));
  const std::string_view numbers = bytes.substr(10 + length);
  return std::as_bytes(std::span(numbers.data(), numbers.size()));
}

}  // namespace parmap::inline PARMAP_ABI::detail
