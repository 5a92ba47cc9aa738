// SPDX-License-Identifier: MIT
// stored_value: a value or an input as a store keeps it: a number, text or bytes, and what the bytes are.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/stores/plain_json.hpp>
#include <parmap/encoding.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What a stored value is. The numbers stand in files, so they stay.
enum class value_format : std::uint8_t {
  nothing = 0,  // f returns void
  integer = 1,
  real = 2,
  boolean = 3,
  text = 4,
  bytes = 5,    // text that is not UTF-8
  natural = 6,  // above 2^63: eight bytes, the least first
  array = 7,    // numbers of one type, as NumPy's format .npy
  encoded = 8,  // by parmap::codec: for C++ alone
  pickle = 9,   // by Python's pickle: for Python alone
  json = 10,
  dataclass = 11,  // JSON, too
  none = 12,       // Python's
  python_bytes = 13,
};
// Scalars of NumPy have formats of their own: this and the place of their type among twelve.
inline constexpr unsigned first_numpy_format = 32;
inline constexpr unsigned numpy_int64 = first_numpy_format + 4;
inline constexpr unsigned numpy_float64 = first_numpy_format + 11;

struct stored_value {
  value_format format{};
  std::int64_t integer{};  // of an integer and a boolean
  double real{};
  std::string bytes{};  // of all others

  friend bool operator==(const stored_value& a, const stored_value& b) noexcept {
    return a.format == b.format && a.integer == b.integer &&
           std::bit_cast<std::uint64_t>(a.real) == std::bit_cast<std::uint64_t>(b.real) && a.bytes == b.bytes;
  }
};

// Numbers of one type as the bytes of a .npy file. `type`: NumPy's name, such as "<f8".
[[nodiscard]] PARMAP_API std::string to_npy(std::string_view type, std::span<const std::byte> numbers,
                                            std::size_t count);
// The numbers of such bytes. Throws other_format if they are not a vector of that type.
[[nodiscard]] PARMAP_API std::span<const std::byte> from_npy(std::string_view bytes, std::string_view type);

// NumPy's name of a number type of this machine, which is little-endian; empty if it has none.
template <class T>
consteval std::string_view npy_type() {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, char> || std::is_same_v<T, long double> ||
                !std::is_arithmetic_v<T> || sizeof(T) > 8) {
    return "";
  } else {
    constexpr std::array<std::string_view, 9> reals{"", "", "", "", "<f4", "", "", "", "<f8"};
    constexpr std::array<std::string_view, 9> signed_ones{"", "|i1", "<i2", "", "<i4", "", "", "", "<i8"};
    constexpr std::array<std::string_view, 9> unsigned_ones{"", "|u1", "<u2", "", "<u4", "", "", "", "<u8"};
    return (std::is_floating_point_v<T> ? reals : std::is_signed_v<T> ? signed_ones : unsigned_ones)[sizeof(T)];
  }
}

template <class T>
inline constexpr bool is_number_array = false;
template <class T>
inline constexpr bool is_number_array<std::vector<T>> = !npy_type<T>().empty();
template <class T, std::size_t N>
inline constexpr bool is_number_array<std::array<T, N>> = !npy_type<T>().empty();
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class T>
concept stored_text = std::convertible_to<const T&, std::string_view> && !std::is_null_pointer_v<T>;
// What leaves a worker can be stored; so can text that an object refers to, but it cannot be read again.
template <class T>
concept storable = std::is_void_v<T> || leaves<T> || stored_text<T>;

// What other programs can read, too; all else is stored as the bytes of its codec.
template <class T>
inline constexpr bool has_plain_form =
    std::is_integral_v<T> || std::is_enum_v<T> || std::is_same_v<T, float> || std::is_same_v<T, double> ||
    stored_text<T> || is_number_array<T> || is_json_container<T>;
// No value is none.
template <class T>
inline constexpr bool has_plain_form<std::optional<T>> = has_plain_form<T> && !is_optional<T>;

// The compiler's name of a type, as g++ and clang++ spell it in the name of a function.
template <class T>
constexpr std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  // Names of types have brackets, too. g++ says besides what the return type is.
  const std::size_t end = text.rfind("; std::string_view = ");
  return text.substr(0, end == std::string_view::npos ? text.size() - 1 : end);
}

// How a store names the type of a value.
template <class T>
constexpr std::string_view stored_type() {
  if constexpr (std::is_void_v<T>) return "nothing";
  else if constexpr (std::is_same_v<T, bool>) return "boolean";
  else if constexpr (std::is_enum_v<T>) return stored_type<std::underlying_type_t<T>>();
  else if constexpr (std::is_integral_v<T>) return "integer";
  else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) return "real";
  else if constexpr (stored_text<T>) return "text";
  else if constexpr (is_number_array<T>) return "array";
  else return type_name<T>();
}

// The bytes of its codec. The value may be encoded more than once.
template <class T>
std::string encoded_bytes(const T& value) {
  constexpr std::size_t most = std::size_t{1} << 36;  // that of a worker's arena
  for (std::size_t room = 256;; room *= 8) {
    std::string bytes(room, '\0');
    byte_writer out(reinterpret_cast<std::byte*>(bytes.data()), reinterpret_cast<std::byte*>(bytes.data()) + room);
    try {
      encoder(out).put(value);
    } catch (const arena_full&) {
      if (room > most) throw;
      continue;
    }
    bytes.resize(out.written());
    return bytes;
  }
}
template <class T>
T decode_bytes(std::string_view bytes) {
  byte_reader in(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  decoder from(in);
  T value = from.get<T>();
  in.expect_end();
  return value;
}

[[nodiscard]] PARMAP_API stored_value stored_integer_of(std::int64_t x, value_format format = value_format::integer);
[[nodiscard]] PARMAP_API stored_value stored_real_of(double x);
[[nodiscard]] PARMAP_API stored_value stored_bytes_of(std::string&& bytes, value_format format);
[[nodiscard]] PARMAP_API stored_value stored_text_of(std::string_view text);
[[nodiscard]] PARMAP_API stored_value stored_natural_of(std::uint64_t x);

// The type that an element of an axis is stored as: itself, but for what std::vector<bool> has in place of a bool.
template <class T>
using stored_as = std::conditional_t<
    std::is_same_v<T, std::vector<bool>::reference> || std::is_same_v<T, std::vector<bool>::const_reference>, bool, T>;

// Throws what the codec of T throws.
template <storable T>
stored_value to_stored(const T& x) {
  if constexpr (std::is_same_v<T, bool>) return stored_integer_of(x ? 1 : 0, value_format::boolean);
  else if constexpr (std::is_enum_v<T>) return to_stored(static_cast<std::underlying_type_t<T>>(x));
  else if constexpr (std::is_integral_v<T>) {
    if (std::in_range<std::int64_t>(static_cast<plain_number<T>>(x)))
      return stored_integer_of(static_cast<std::int64_t>(x));
    return stored_natural_of(static_cast<std::uint64_t>(x));
  } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
    return stored_real_of(static_cast<double>(x));
  else if constexpr (stored_text<T>) return stored_text_of(x);
  else if constexpr (is_number_array<T>)
    return stored_bytes_of(
        to_npy(npy_type<typename T::value_type>(), std::as_bytes(std::span(x.data(), x.size())), x.size()),
        value_format::array);
  else if constexpr (has_plain_form<T> && is_optional<T>)
    return x ? to_stored(*x) : stored_value{.format = value_format::none};
  else if constexpr (is_json_container<T>) {
    json_writer json;
    write_json(json, x);
    if (json.is_whole()) return stored_bytes_of(json.take(), value_format::json);
    return stored_bytes_of(encoded_bytes(x), value_format::encoded);
  } else return stored_bytes_of(encoded_bytes(x), value_format::encoded);
}

// `wanted`: what the program has, see stored_type.
[[noreturn]] PARMAP_API void throw_other_format(const stored_value& found, std::string_view wanted);
PARMAP_API void expect_format(const stored_value& it, value_format format, std::string_view wanted);
[[nodiscard]] PARMAP_API std::uint64_t natural_of(const stored_value& it);
// Of a real number, and of an integer that a double holds exactly, which Python may have written.
[[nodiscard]] PARMAP_API double real_of(const stored_value& it);

template <class T>
T from_stored_json(const stored_value& it) {
  try {
    return from_json<T>(parse_json(it.bytes));
  } catch (const other_format&) {
    throw_other_format(it, stored_type<T>());
  }
}

// The value again, bit for bit. Throws other_format, bad_encoding, and what the codec of T throws.
template <class T>
T from_stored(const stored_value& it) {
  const auto expect = [&it](value_format format) { expect_format(it, format, stored_type<T>()); };
  if constexpr (std::is_same_v<T, bool>) {
    expect(value_format::boolean);
    return it.integer != 0;
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(from_stored<std::underlying_type_t<T>>(it));
  } else if constexpr (std::is_integral_v<T>) {
    if (it.format == value_format::natural && std::in_range<plain_number<T>>(natural_of(it)))
      return static_cast<T>(natural_of(it));
    if (it.format != value_format::integer || !std::in_range<plain_number<T>>(it.integer))
      throw_other_format(it, stored_type<T>());
    return static_cast<T>(it.integer);
  } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return exactly<T>(real_of(it));
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (it.format != value_format::bytes && it.format != value_format::python_bytes) expect(value_format::text);
    return it.bytes;
  } else if constexpr (has_plain_form<T> && is_optional<T>) {
    if (it.format == value_format::none) return std::nullopt;
    return from_stored<typename T::value_type>(it);
  } else if constexpr (is_number_array<T>) {
    if (it.format == value_format::json) return from_stored_json<T>(it);  // a list of Python
    expect(value_format::array);
    const std::span<const std::byte> numbers = from_npy(it.bytes, npy_type<typename T::value_type>());
    T all{};
    if constexpr (is_vector<T>) all.resize(numbers.size() / sizeof(typename T::value_type));
    if (numbers.size() != all.size() * sizeof(typename T::value_type)) throw other_format("an array of another size");
    if (!numbers.empty()) std::memcpy(all.data(), numbers.data(), numbers.size());
    return all;
  } else {
    if constexpr (is_json_container<T>)
      if (it.format == value_format::json) return from_stored_json<T>(it);
    expect(value_format::encoded);
    return decode_bytes<T>(it.bytes);
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/stored_value.inl.hpp>
#endif
