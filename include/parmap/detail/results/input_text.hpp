// SPDX-License-Identifier: MIT
// input_text: the inputs of a task as a short text for its failure.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/failure.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

template <class T>
concept streamable = !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && !std::is_null_pointer_v<T> &&
                     !std::is_array_v<T> && requires(std::ostream& out, const T& x) { out << x; };

enum class input_kind {
  number,   // an arithmetic type or an enum, which nothing but its own bytes can make unreadable
  string,   // std::string
  foreign,  // what the user's operator<< writes, or text that the object only refers to
  unknown,  // it cannot be written
};

template <class T>
inline constexpr bool is_string = false;
template <class Traits, class Allocator>
inline constexpr bool is_string<std::basic_string<char, Traits, Allocator>> = true;

template <class T>
consteval input_kind kind_of_input() {
  if (std::is_arithmetic_v<T>) return input_kind::number;
  if (is_string<T>) return input_kind::string;
  if (std::is_same_v<T, std::string_view> || std::is_same_v<T, const char*> || std::is_same_v<T, char*> ||
      streamable<T>)
    return input_kind::foreign;
  return std::is_enum_v<T> ? input_kind::number : input_kind::unknown;
}

// Whether the text of these elements takes code that is not ours.
template <class... Elements>
consteval bool text_takes_foreign_code(list<Elements...>) {
  return ((kind_of_input<std::remove_cvref_t<Elements>>() == input_kind::foreign) || ...);
}

class input_text {
 public:
  static constexpr std::size_t longest = 200;

  // The name of the input that is added next. It must outlive that call.
  void name(std::string_view text) noexcept { name_ = text; }
  // One input. What it throws is the user's.
  template <class T>
  void add(const T& x) {
    constexpr input_kind kind = kind_of_input<T>();
    if constexpr (std::is_enum_v<T> && kind == input_kind::number) add(static_cast<std::underlying_type_t<T>>(x));
    else if constexpr (kind == input_kind::string || std::is_same_v<T, std::string_view>) add_quoted(x);
    else if constexpr (std::is_convertible_v<T, const char*> && kind == input_kind::foreign && std::is_pointer_v<T>)
      x == nullptr ? add_unknown() : add_quoted(x);
    else if constexpr (kind == input_kind::foreign)
      add_streamed(&x, [](std::ostream& out, const void* it) { out << *static_cast<const T*>(it); });
    else if constexpr (kind == input_kind::unknown) add_unknown();
    else if constexpr (std::is_same_v<T, bool>) add_plain(x ? "true" : "false");
    else if constexpr (std::is_same_v<T, char>) add_character(x);
    else if constexpr (std::is_floating_point_v<T>) add_real(x);
    else if constexpr (std::is_signed_v<T>) add_signed(static_cast<std::int64_t>(x));
    else add_unsigned(static_cast<std::uint64_t>(x));
  }
  // One that cannot be written, or that would have to be computed again.
  PARMAP_API void add_unknown();

  // At most `longest` bytes of UTF-8, without control characters; empty if nothing is known.
  [[nodiscard]] PARMAP_API std::string take();

 private:
  PARMAP_API void add_plain(std::string_view text);
  PARMAP_API void add_quoted(std::string_view text);
  PARMAP_API void add_character(char c);
  PARMAP_API void add_real(float x);
  PARMAP_API void add_real(double x);
  PARMAP_API void add_real(long double x);
  PARMAP_API void add_signed(std::int64_t x);
  PARMAP_API void add_unsigned(std::uint64_t x);
  PARMAP_API void add_streamed(const void* it, void (*write)(std::ostream& out, const void* it));

  std::string text_;
  std::string_view name_;
  bool known_{};
};

// Tasks that can show their inputs: see axis.hpp.
template <class Tasks>
concept show_inputs = requires { typename Tasks::element_types; };

template <class Tasks>
inputs_writer inputs_writer_of(const Tasks& tasks) noexcept {
  return {&tasks, [](const void* of, std::uint64_t i) {
            input_text text;
            static_cast<const Tasks*>(of)->show(i, text);
            return text.take();
          }};
}

// The failures with the inputs of their tasks, which are read in this process.
template <class Tasks>
failure_list with_inputs([[maybe_unused]] const Tasks& tasks, failure_list failures) {
  if constexpr (show_inputs<Tasks>)
    if (!failures.empty()) write_inputs(failures, inputs_writer_of(tasks));
  return failures;
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/input_text.inl.hpp>
#endif
