// SPDX-License-Identifier: MIT
// csv_text: comma-separated values as text (RFC 4180), for results::write_csv.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/aggregate_fields.hpp>
#include <parmap/detail/results/input_text.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Whether a T is one cell.
template <class T>
inline constexpr bool is_cell = kind_of_input<std::remove_cvref_t<T>>() != input_kind::unknown;

// A row, cell by cell.
class csv_text {
 public:
  // Numbers so that reading them gives the same value; text in quotes where it needs some; "?" for what has no
  // operator<<. Throws what that operator throws.
  template <class T>
  void add(const T& x) {
    constexpr input_kind kind = kind_of_input<T>();
    if constexpr (std::is_enum_v<T> && kind == input_kind::number) add(static_cast<std::underlying_type_t<T>>(x));
    else if constexpr (std::is_same_v<T, bool>) add_plain(x ? "true" : "false");
    else if constexpr (std::is_same_v<T, char>) add_quoted({&x, 1});
    else if constexpr (std::is_floating_point_v<T>) add_real(x);
    else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) add_signed(static_cast<std::int64_t>(x));
    else if constexpr (std::is_integral_v<T>) add_unsigned(static_cast<std::uint64_t>(x));
    else if constexpr (std::is_pointer_v<T> && kind == input_kind::foreign)
      x == nullptr ? add_plain("") : add_quoted(x);
    else if constexpr (kind == input_kind::string || std::is_same_v<T, std::string_view>) add_quoted(x);
    else if constexpr (kind == input_kind::foreign)
      add_streamed(&x, [](std::ostream& out, const void* it) { out << *static_cast<const T*>(it); });
    else add_plain("?");
  }
  // A cell that needs no quotes, such as an empty one.
  PARMAP_API void add_plain(std::string_view text);
  PARMAP_API void add_quoted(std::string_view text);
  // Ends the row.
  PARMAP_API void end_row();

  // All rows since the last call.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  void clear() noexcept { text_.clear(); }

 private:
  PARMAP_API void add_real(float x);
  PARMAP_API void add_real(double x);
  PARMAP_API void add_real(long double x);
  PARMAP_API void add_signed(std::int64_t x);
  PARMAP_API void add_unsigned(std::uint64_t x);
  PARMAP_API void add_streamed(const void* it, void (*write)(std::ostream& out, const void* it));
  void begin_cell();

  std::string text_;
  bool in_row_{};
};

// ---- A value of a map as cells: one, or one for each member of a tuple, pair, array or struct.

template <class T>
consteval std::size_t cells_of() {
  std::size_t cells = 0;
  if constexpr (std::is_void_v<T>) {  // it has none
  } else if constexpr (is_cell<T>) {
    cells = 1;
  } else if constexpr (tuple_like<T>) {
    cells = []<std::size_t... I>(std::index_sequence<I...>) {
      return (is_cell<std::tuple_element_t<I, T>> && ...) ? sizeof...(I) : 0;
    }(std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (std::is_aggregate_v<T> && !std::is_array_v<T>) {
    if constexpr (division_of<T>.is == division::possible)
      cells = []<class... Field>(types<Field...>) {
        return (is_cell<Field> && ...) ? sizeof...(Field) : 0;
      }(field_types<T>());
  }
  return cells;
}

template <class T>
void add_cells(csv_text& row, const T& value) {
  if constexpr (is_cell<T>) row.add(value);
  else if constexpr (tuple_like<T>) std::apply([&row](const auto&... each) { (row.add(each), ...); }, value);
  else with_fields<cells_of<T>()>(value, [&row](const auto& /*types*/, const auto&... each) { (row.add(each), ...); });
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/csv_text.inl.hpp>
#endif
