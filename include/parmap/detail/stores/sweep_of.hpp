// SPDX-License-Identifier: MIT
// sweep_of: what identifies the results of a map, from f, its axes and its result type.
#pragma once

#include <parmap/axis.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/stores/result_store.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/fargs.hpp>
#include <parmap/product.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The compiler's name of a type, as g++ and clang++ spell it in the name of a function.
template <class T>
std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  const std::size_t end = text.find_first_of(";]");
  return text.substr(0, end);
}

// How a store names the type of a value: the same for C++ and Python where both have it.
template <class T>
std::string stored_type() {
  if constexpr (std::is_void_v<T>) return "nothing";
  else if constexpr (std::is_same_v<T, bool>) return "boolean";
  else if constexpr (std::is_enum_v<T>) return stored_type<std::underlying_type_t<T>>();
  else if constexpr (std::is_integral_v<T>) return "integer";
  else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) return "real";
  else if constexpr (stored_text<T>) return "text";
  else if constexpr (is_number_array<T>) return "array";
  else return std::string(type_name<T>());
}

// ---- The axes.

// The names of the ranges in a space, in the order of their elements; empty where one has none.
template <class Axis>
void add_names(const Axis& axis, std::vector<std::string>& to) {
  if constexpr (requires { axis.name(); }) to.push_back(axis.name());
  else if constexpr (requires { axis.axes(); })
    std::apply([&to](const auto&... each) { (add_names(each, to), ...); }, axis.axes());
  else to.emplace_back();
}

template <class Space>
sweep_axis sweep_axis_of(const Space& space) {
  sweep_axis one{.size = space.size(), .add_cells = [&space](std::uint64_t i, std::vector<stored_value>& to) {
                   space.spread(i, [&to](const auto&... x) { (to.push_back(to_stored(x)), ...); });
                 }};
  add_names(space, one.names);
  return one;
}

template <class Space>
inline constexpr bool is_product = false;
template <class... Axes>
inline constexpr bool is_product<product_space<Axes...>> = true;

// A product's axes are axes, also of a product inside it; whatever else is one axis.
template <class Space>
void add_axes(const Space& space, std::vector<sweep_axis>& to) {
  if constexpr (is_product<Space>) std::apply([&to](const auto&... each) { (add_axes(each, to), ...); }, space.axes());
  else to.push_back(sweep_axis_of(space));
}

template <class Elements>
inline constexpr bool can_store_elements = false;
template <class... Element>
inline constexpr bool can_store_elements<list<Element...>> = (storable<std::remove_cvref_t<Element>> && ...);

// ---- The function.

template <class F>
inline constexpr bool is_fixed_arguments = false;
template <class F, class... Fixed>
inline constexpr bool is_fixed_arguments<fixed_arguments<F, Fixed...>> = true;

template <class F>
void add_function(const F& f, sweep& to) {
  if constexpr (is_fixed_arguments<F>) {
    add_function(f.function(), to);
    std::apply(
        [&to]<class... Fixed>(const Fixed&... fixed) {
          std::size_t k = 0;
          const auto add = [&]<class Value>(const Value& value) {
            ++k;
            if constexpr (storable<Value>) to.fixed.push_back(to_stored(value));
            else to.unknown.push_back("fixed argument " + std::to_string(k));
          };
          (add(static_cast<const std::unwrap_reference_t<Fixed>&>(fixed)), ...);
        },
        f.fixed());
  } else if constexpr (std::is_class_v<F>) {
    const std::string_view name = type_name<F>();
    // A lambda's name counts the lambdas before it.
    if (name.find("lambda") == std::string_view::npos) to.function = name;
    if constexpr (!std::is_empty_v<F>) to.unknown.emplace_back("the members or captures of f");
  }
}

template <class Value, class F, class Space>
sweep sweep_of(const F& f, const Space& space, std::optional<std::uint64_t> seed) {
  sweep all{.result = stored_type<Value>(), .seed = seed};
  add_function(f, all);
  add_axes(space, all.axes);
  std::size_t number = 0;
  for (sweep_axis& axis : all.axes)
    for (std::string& name : axis.names) {
      ++number;
      if (name.empty()) name = "x" + std::to_string(number);
    }
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
