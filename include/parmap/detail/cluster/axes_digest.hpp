// SPDX-License-Identifier: MIT
// axes_digest: the sizes of a map's axes, and digests of those elements and fixed arguments that can be compared
// between processes.
#pragma once

#include <parmap/detail/cluster/call_facts.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/aggregate_fields.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/stores/sweep_of.hpp>
#include <parmap/product.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Sees the elements of an axis as their failure texts do: none is computed for that.
class element_digest {
 public:
  void name(std::string_view text) noexcept { mix(text.data(), text.size()); }
  void add_unknown() noexcept { known_ = false; }
  // Only what is the same in every process counts: no addresses, no padding, no order that depends on a hash.
  template <class T>
  void add(const T& x) {
    if constexpr (std::is_enum_v<T>) add(static_cast<std::underlying_type_t<T>>(x));
    else if constexpr (std::is_same_v<T, long double>) add(static_cast<double>(x));
    else if constexpr (std::is_floating_point_v<T>) mix(std::bit_cast<bits_of<T>>(x));
    else if constexpr (std::is_integral_v<T>) mix(static_cast<std::uint64_t>(x));
    else if constexpr (std::is_pointer_v<T>) known_ = false;
    else if constexpr (std::convertible_to<const T&, std::string_view>) {
      const std::string_view text = x;
      mix(text.data(), text.size());
    } else if constexpr (orders_elements<T>()) {
      std::uint64_t count = 0;
      for (const auto& each : x) {
        add(each);
        ++count;
      }
      mix(count);
    } else if constexpr (tuple_like<T>) {
      std::apply([this](const auto&... each) { (add(each), ...); }, x);
    } else if constexpr (is_divisible<T>()) {
      with_fields<division_of<T>.count>(
          x, [this]<class... Field>(types<Field...>, const std::remove_cv_t<Field>&... field) { (add(field), ...); });
    } else {
      known_ = false;
    }
  }

  // None if an element cannot be compared.
  [[nodiscard]] std::optional<std::uint64_t> take() const noexcept {
    return known_ ? std::optional<std::uint64_t>(state_) : std::nullopt;
  }
  [[nodiscard]] bool knows_all() const noexcept { return known_; }

 private:
  template <class T>
  using bits_of = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  template <class T>
  static consteval bool orders_elements() {
    if constexpr (!std::ranges::forward_range<const T>) return false;
    else if constexpr (requires { typename T::hasher; }) return false;
    else return !std::is_same_v<std::remove_cvref_t<std::ranges::range_reference_t<const T>>, T>;
  }
  template <class T>
  static consteval bool is_divisible() {
    if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) return division_of<T>.is == division::possible;
    else return false;
  }

  void mix(std::uint64_t word) noexcept {
    state_ = fold(state_ ^ 0x9e6c'63d0'876a'9a47U, word ^ 0xc2b2'ae3d'27d4'eb4fU) + word;
  }
  void mix(const char* text, std::size_t size) noexcept {
    state_ = checksum(reinterpret_cast<const std::byte*>(text), size, state_);
  }

  std::uint64_t state_{0xd6e8'feb8'6659'fd93};
  bool known_{true};
};

// The arguments that parmap::fargs has fixed. Captures cannot be compared.
template <class F>
void add_fixed_of(const F& f, call_facts& to) {
  if constexpr (is_fixed_arguments<F>) {
    element_digest all;
    std::apply(
        [&all]<class... Fixed>(const Fixed&... fixed) {
          (all.add(static_cast<const std::unwrap_reference_t<Fixed>&>(fixed)), ...);
        },
        f.fixed());
    to.add_fixed(all.take());
  }
}

template <class Iterator>
inline constexpr bool is_iota_iterator = false;
template <class Iterator>
  requires std::is_integral_v<std::iter_value_t<Iterator>> && std::weakly_incrementable<std::iter_value_t<Iterator>>
inline constexpr bool is_iota_iterator<Iterator> =
    std::same_as<Iterator, std::ranges::iterator_t<
                               std::ranges::iota_view<std::iter_value_t<Iterator>, std::iter_value_t<Iterator>>>>;
template <class Axis>
inline constexpr bool is_counting = false;
template <class Iterator, bool Stored>
inline constexpr bool is_counting<indexed_axis<Iterator, Stored>> = is_iota_iterator<Iterator>;

template <class Axis>
std::optional<std::uint64_t> digest_of(const Axis& axis) {
  element_digest all;
  const std::uint64_t count = is_counting<Axis> ? std::uint64_t{axis.size() > 0} : axis.size();
  for (std::uint64_t i = 0; i < count && all.knows_all(); ++i) axis.show(i, all);
  return all.take();
}

template <class Space>
inline constexpr bool is_product_of_axes = false;
template <class... Axes>
inline constexpr bool is_product_of_axes<product_space<Axes...>> = true;

// A product's axes are axes, also of a product inside it; whatever else is one axis.
template <class Space>
void add_axes(const Space& space, call_facts& to) {
  if constexpr (is_product_of_axes<Space>)
    std::apply([&to](const auto&... each) { (add_axes(each, to), ...); }, space.axes());
  else to.add_axis(space.size(), digest_of(space));
}

}  // namespace parmap::inline PARMAP_ABI::detail
