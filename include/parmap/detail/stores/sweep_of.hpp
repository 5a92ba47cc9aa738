// SPDX-License-Identifier: MIT
// sweep_of: what identifies the results of a map, from f, its axes and its result type.
#pragma once

#include <parmap/axis.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/fargs.hpp>
#include <parmap/product.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// What the axes or the result type do not allow is known when a store is given: std::invalid_argument.
[[noreturn]] PARMAP_API void refuse_store_for_axes();

// ---- The axes.

template <class Space>
inline constexpr bool is_product = false;
template <class... Axes>
inline constexpr bool is_product<product_space<Axes...>> = true;
template <class Space>
inline constexpr bool is_zip = false;
template <class... Axes>
inline constexpr bool is_zip<zip_space<Axes...>> = true;

// An axis that may have keys in place of its elements.
template <class Axis>
concept has_keys = requires(const Axis& axis) { axis.keys(); };

template <class Elements>
inline constexpr bool can_store_elements = false;
template <class... Element>
inline constexpr bool can_store_elements<list<Element...>> = (storable<stored_as<std::remove_cvref_t<Element>>> && ...);

// Whether what identifies the elements can be stored. An axis that may have keys is asked when it is there.
template <class Space>
inline constexpr bool can_store_space = has_keys<Space> || can_store_elements<typename Space::elements>;
template <class... Axes>
inline constexpr bool can_store_space<product_space<Axes...>> = (can_store_space<Axes> && ...);
template <class... Axes>
inline constexpr bool can_store_space<zip_space<Axes...>> = (can_store_space<Axes> && ...);

// The names of the ranges in a space, in the order of their elements; empty where one has none. Throws
// std::invalid_argument if a named one has neither keys nor elements that can be stored.
template <class Axis>
void add_names(const Axis& axis, sweep& to) {
  if constexpr (requires { axis.axes(); }) {
    std::apply([&to](const auto&... each) { (add_names(each, to), ...); }, axis.axes());
  } else if constexpr (requires { axis.name(); }) {
    if constexpr (!can_store_elements<typename Axis::elements>)
      if (axis.keys() == nullptr) refuse_store_for_axes();
    to.add_name(axis.name());
  } else {
    to.add_name({});
  }
}

PARMAP_API void add_key(const axis_keys& keys, std::uint64_t i, cell_list& to);

// What identifies element i.
template <class Space>
void add_cells_of(const void* of, std::uint64_t i, cell_list& to) {
  const Space& space = *static_cast<const Space*>(of);
  if constexpr (is_zip<Space>) {
    std::apply([&]<class... Axes>(const Axes&... each) { (add_cells_of<Axes>(&each, i, to), ...); }, space.axes());
  } else if constexpr (is_product<Space>) {
    std::uint64_t left = space.size();
    const auto next = [&](std::uint64_t size) {
      left /= size;
      return i / left % size;
    };
    std::apply([&]<class... Axes>(const Axes&... each) { (add_cells_of<Axes>(&each, next(each.size()), to), ...); },
               space.axes());
  } else {
    if constexpr (has_keys<Space>)
      if (const axis_keys* const keys = space.keys(); keys != nullptr) return add_key(*keys, i, to);
    if constexpr (can_store_elements<typename Space::elements>)
      space.spread(i, [&to]<class... X>(const X&... x) { (to.add(to_stored<stored_as<X>>(x)), ...); });
  }
}

// A product's axes are axes, also of a product inside it; whatever else is one axis.
template <class Space>
void add_axes(const Space& space, sweep& to) {
  if constexpr (is_product<Space>) {
    std::apply([&to](const auto&... each) { (add_axes(each, to), ...); }, space.axes());
  } else {
    to.add_axis(space.size(), &space, add_cells_of<Space>);
    add_names(space, to);
  }
}

// ---- The function.

template <class F>
inline constexpr bool is_fixed_arguments = false;
template <class F, class... Fixed>
inline constexpr bool is_fixed_arguments<fixed_arguments<F, Fixed...>> = true;

template <class Value>
void add_fixed(const Value& value, sweep& to) {
  if constexpr (storable<Value>) to.add_fixed(to_stored(value));
  else to.add_unknown_fixed();
}

template <class F>
void add_function(const F& f, sweep& to) {
  if constexpr (is_fixed_arguments<F>) {
    add_function(f.function(), to);
    std::apply(
        [&to]<class... Fixed>(const Fixed&... fixed) {
          (add_fixed(static_cast<const std::unwrap_reference_t<Fixed>&>(fixed), to), ...);
        },
        f.fixed());
  } else if constexpr (std::is_class_v<F>) {
    to.add_class(type_name<F>(), !std::is_empty_v<F>);
  }
}

template <class Value, class F, class Space>
sweep sweep_of(const F& f, const Space& space, const std::optional<std::uint64_t>& seed) {
  sweep all(stored_type<Value>(), seed);
  add_function(f, all);
  add_axes(space, all);
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
