// SPDX-License-Identifier: MIT
// axis_keys: what identifies the elements of an axis in a store and in texts, in place of the elements.
#pragma once

#include <parmap/detail/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

template <class K>
inline constexpr bool can_be_key = std::is_enum_v<K> || (std::is_arithmetic_v<K> && !std::is_same_v<K, long double>) ||
                                   (std::is_convertible_v<const K&, std::string_view> && !std::is_null_pointer_v<K>);

class axis_keys {
 public:
  enum class kind : unsigned char { boolean, integer, natural, real, text };

  template <class T, class Key>
  axis_keys(const std::vector<T>& values, Key& key_of) {
    for (const T& each : values) add(std::invoke(key_of, each));
  }

  // Throws std::invalid_argument if two elements of the axis have equal keys.
  PARMAP_API void expect_unequal(std::string_view axis) const;
  // consume(key of element i): a bool, std::int64_t, std::uint64_t above 2^63, double or std::string.
  template <class Consume>
  void visit(std::uint64_t i, Consume&& consume) const {
    const one& it = all_[i];
    switch (it.is) {
      case kind::boolean: return consume(it.integer != 0);
      case kind::integer: return consume(it.integer);
      case kind::natural: return consume(static_cast<std::uint64_t>(it.integer));
      case kind::real: return consume(it.real);
      case kind::text: return consume(it.text);
    }
  }
  // For a table.
  [[nodiscard]] PARMAP_API std::shared_ptr<const std::vector<std::string>> texts() const;

 private:
  struct one {
    kind is;
    std::int64_t integer;  // of all but a real number and text
    double real;
    std::string text;

    friend bool operator==(const one&, const one&) = default;
  };

  [[nodiscard]] static std::string text_of(const one& it);
  PARMAP_API void add_integer(std::int64_t x, kind is);
  PARMAP_API void add_real(double x);
  PARMAP_API void add_text(std::string_view x);
  template <class K>
  void add(const K& it) {
    if constexpr (std::is_same_v<K, bool>) add_integer(it ? 1 : 0, kind::boolean);
    else if constexpr (std::is_floating_point_v<K>) add_real(it);
    else if constexpr (std::is_enum_v<K>) add(static_cast<std::underlying_type_t<K>>(it));
    else if constexpr (std::is_integral_v<K>)
      // Beyond the signed ones; all others are the same key, whatever their type is.
      add_integer(static_cast<std::int64_t>(it),
                  it > K() && static_cast<std::int64_t>(it) < 0 ? kind::natural : kind::integer);
    else add_text(it);
  }

  std::vector<one> all_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/space/axis_keys.inl.hpp>
#endif
