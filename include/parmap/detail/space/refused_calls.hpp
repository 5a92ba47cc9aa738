// SPDX-License-Identifier: MIT
// refused_calls: parameter types of overloads that are chosen only where no other fits; they are deleted, so that the
// compiler's error is one that names the remedy.
#pragma once

#include <parmap/detail/config.hpp>

#include <initializer_list>

namespace parmap::inline PARMAP_ABI::detail {

// Converts from any argument.
struct any_argument {
  template <class T>
  any_argument(T&&);  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload): not defined
};
// As any_argument, and from the name of an overloaded function or a function template, which has no type.
struct overloaded_function {
  overloaded_function(...);  // NOLINT(google-explicit-constructor, cert-dcl50-cpp): not defined
};
// Converts from `{.name = value}` that is no `options`: no option has that name, or its type is another one.
struct unknown_option_or_value_of_another_type {
  template <class... T>
  unknown_option_or_value_of_another_type(T...);  // NOLINT(google-explicit-constructor): not defined
  template <class T>
  unknown_option_or_value_of_another_type(std::initializer_list<T>);  // NOLINT(google-explicit-constructor)
};

}  // namespace parmap::inline PARMAP_ABI::detail
