// SPDX-License-Identifier: MIT
// plain_json: containers of numbers and text as JSON that C++ and Python read alike, bit for bit.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A value is not what the map expects. The store says which one.
class PARMAP_API other_format : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What JSON has not is an object with one key: see docs/internals/checkpoint-format.md.
struct json_value {
  enum class kind : std::uint8_t { null, boolean, integer, natural, real, text, list, object };

  kind is{};
  bool truth{};
  std::int64_t integer{};   // below zero or not
  std::uint64_t natural{};  // of 2^63 or more
  double real{};
  std::string text{};
  std::vector<std::string> keys{};  // of an object
  std::vector<json_value> items{};  // of a list, or beside the keys
};

// Throws other_format if it is no JSON, or has an integer beyond 64 bits.
[[nodiscard]] PARMAP_API json_value parse_json(std::string_view text);
// The value behind the one key of such an object; null: it is another value.
[[nodiscard]] PARMAP_API const json_value* json_behind(const json_value& it, std::string_view key);

// Each of these throws other_format if it is another value.
[[nodiscard]] PARMAP_API bool boolean_of(const json_value& of);
[[nodiscard]] PARMAP_API double real_of(const json_value& of);  // also an integer that a double holds exactly
[[nodiscard]] PARMAP_API std::int64_t integer_of(const json_value& of);
[[nodiscard]] PARMAP_API std::uint64_t natural_of(const json_value& of);
[[nodiscard]] PARMAP_API const std::string& text_of(const json_value& of);
[[nodiscard]] PARMAP_API const std::vector<json_value>& items_of(const json_value& of);  // of a list or tuple
// Of a dict: the entries, each a key and a value.
[[nodiscard]] PARMAP_API std::vector<std::pair<json_value, json_value>> entries_of(const json_value& it);

// Writes what Python's json writes, byte for byte, so that equal elements of an axis are equal in the file.
class json_writer {
 public:
  // False if a text was not UTF-8, which JSON cannot hold.
  [[nodiscard]] bool is_whole() const noexcept { return whole_; }
  [[nodiscard]] std::string take() noexcept { return std::move(text_); }

  void add_raw(std::string_view text) { text_ += text; }
  PARMAP_API void add(bool x);
  PARMAP_API void add(std::int64_t x);
  PARMAP_API void add(std::uint64_t x);
  PARMAP_API void add(double x);
  PARMAP_API void add(std::string_view x);

 private:
  std::string text_;
  bool whole_{true};
};

// ---- Types

// An integer type of the same size for a T that is one for characters.
template <class T>
using plain_number = typename std::conditional_t<std::is_signed_v<T>, std::make_signed<T>, std::make_unsigned<T>>::type;

// Not char: a buffer of these is better kept as bytes.
template <class T>
inline constexpr bool is_json_number =
    (std::is_integral_v<T> && !std::is_same_v<T, char>) || std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
inline constexpr bool is_json = is_json_number<T> || std::is_same_v<T, std::string>;

// Containers, which are more than one cell.
template <class T>
inline constexpr bool is_json_container = false;
template <class T>
inline constexpr bool is_json_container<std::vector<T>> = is_json<T>;
template <class T, std::size_t N>
inline constexpr bool is_json_container<std::array<T, N>> = is_json<T>;
template <class... T>
inline constexpr bool is_json_container<std::tuple<T...>> = (is_json<T> && ...);
template <class A, class B>
inline constexpr bool is_json_container<std::pair<A, B>> = is_json<A> && is_json<B>;
template <class K, class V>
inline constexpr bool is_json_container<std::map<K, V>> = is_json<K> && is_json<V>;
template <class K, class V>
inline constexpr bool is_json_container<std::unordered_map<K, V>> = is_json<K> && is_json<V>;
// std::complex, whose header is costly to compile.
template <class T>
concept complex_number = requires(const T& x, typename T::value_type part) {
  requires std::floating_point<typename T::value_type> && sizeof(typename T::value_type) <= sizeof(double);
  { x.real() } -> std::same_as<typename T::value_type>;
  { x.imag() } -> std::same_as<typename T::value_type>;
  { part* x } -> std::same_as<T>;
  T(part, part);
};
template <complex_number T>
inline constexpr bool is_json_container<T> = true;

template <class T>
  requires is_json_container<T>
inline constexpr bool is_json<T> = true;
template <class T>
inline constexpr bool is_json<std::optional<T>> = is_json<T>;
template <class T>  // a null within a null
inline constexpr bool is_json<std::optional<std::optional<T>>> = false;

template <class T>
inline constexpr bool is_json_map = false;
template <class K, class V>
inline constexpr bool is_json_map<std::map<K, V>> = true;
template <class K, class V>
inline constexpr bool is_json_map<std::unordered_map<K, V>> = true;
template <class T>
inline constexpr bool is_json_tuple = false;
template <class... T>
inline constexpr bool is_json_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_json_tuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

// ---- Writing

// A key that is no text, or begins as what JSON has not, makes the map a list of entries.
template <class Map>
bool has_plain_keys(const Map& all) {
  if constexpr (!std::is_same_v<typename Map::key_type, std::string>) return false;
  else {
    for (const auto& [key, value] : all)
      if (key.starts_with("__")) return false;
    return true;
  }
}

template <class T>
void write_json(json_writer& to, const T& x) {
  [[maybe_unused]] auto separate = [&to, first = true]() mutable {
    if (!std::exchange(first, false)) to.add_raw(",");
  };
  if constexpr (std::is_same_v<T, bool>) to.add(x);
  else if constexpr (std::is_floating_point_v<T>) to.add(static_cast<double>(x));
  else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) to.add(static_cast<std::int64_t>(x));
  else if constexpr (std::is_integral_v<T>) to.add(static_cast<std::uint64_t>(x));
  else if constexpr (std::is_same_v<T, std::string>) to.add(std::string_view(x));
  else if constexpr (is_optional<T>) {
    if (x) write_json(to, *x);
    else to.add_raw("null");
  } else if constexpr (complex_number<T>) {
    to.add_raw(R"({"__complex__":[)");
    to.add(static_cast<double>(x.real()));
    to.add_raw(",");
    to.add(static_cast<double>(x.imag()));
    to.add_raw("]}");
  } else if constexpr (is_json_tuple<T>) {
    to.add_raw(R"({"__tuple__":[)");
    std::apply([&](const auto&... each) { ((separate(), write_json(to, each)), ...); }, x);
    to.add_raw("]}");
  } else if constexpr (is_json_map<T>) {
    const bool plain = x.empty() || has_plain_keys(x);
    to.add_raw(plain ? "{" : R"({"__dict__":[)");
    for (const auto& [key, value] : x) {
      separate();
      if (!plain) to.add_raw("[");
      write_json(to, key);
      to.add_raw(plain ? ":" : ",");
      write_json(to, value);
      if (!plain) to.add_raw("]");
    }
    to.add_raw(plain ? "}" : "]}");
  } else {
    to.add_raw("[");
    for (const typename T::value_type& each : x) separate(), write_json(to, each);
    to.add_raw("]");
  }
}

// ---- Reading

// A number of the file as a T, if that holds it exactly.
template <class T>
T exactly(double x) {
  if constexpr (std::is_same_v<T, float>)
    if (x == x && static_cast<double>(static_cast<float>(x)) != x)
      throw other_format("a real number that a float does not hold exactly");
  return static_cast<T>(x);
}

// Throws other_format if it is not a T.
template <class T>
T from_json(const json_value& it) {
  if constexpr (std::is_same_v<T, bool>) return boolean_of(it);
  else if constexpr (std::is_floating_point_v<T>) return exactly<T>(real_of(it));
  else if constexpr (std::is_integral_v<T>) {
    const auto fitting = [](auto x) {
      if (!std::in_range<plain_number<T>>(x)) throw other_format("no integer that fits");
      return static_cast<T>(x);
    };
    if constexpr (std::is_signed_v<T>) return fitting(integer_of(it));
    else return fitting(natural_of(it));
  } else if constexpr (std::is_same_v<T, std::string>) return text_of(it);
  else if constexpr (is_optional<T>) {
    if (it.is == json_value::kind::null) return std::nullopt;
    return from_json<typename T::value_type>(it);
  } else if constexpr (complex_number<T>) {
    using part = typename T::value_type;
    const json_value* const parts = json_behind(it, "__complex__");
    if (parts == nullptr || parts->items.size() != 2) throw other_format("no complex number");
    return T(from_json<part>(parts->items[0]), from_json<part>(parts->items[1]));
  } else if constexpr (is_json_tuple<T>) {
    const std::vector<json_value>& items = items_of(it);
    if (items.size() != std::tuple_size_v<T>) throw other_format("a tuple of another size");
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return T{from_json<std::tuple_element_t<I, T>>(items[I])...};
    }(std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (is_json_map<T>) {
    T all;
    for (const auto& [key, value] : entries_of(it))
      if (!all.emplace(from_json<typename T::key_type>(key), from_json<typename T::mapped_type>(value)).second)
        throw other_format("a dict with a key twice");
    return all;
  } else {
    const std::vector<json_value>& items = items_of(it);
    T all{};
    if constexpr (requires { all.reserve(items.size()); }) {
      all.reserve(items.size());
      for (const json_value& each : items) all.push_back(from_json<typename T::value_type>(each));
    } else {
      if (items.size() != all.size()) throw other_format("an array of another size");
      for (std::size_t k = 0; k < items.size(); ++k) all[k] = from_json<typename T::value_type>(items[k]);
    }
    return all;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/plain_json.inl.hpp>
#endif
