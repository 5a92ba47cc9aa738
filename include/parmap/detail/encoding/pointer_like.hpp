// SPDX-License-Identifier: MIT
// Types that refer to memory of the process they were made in.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace parmap::inline PARMAP_ABI::detail {

template <class T>
inline constexpr bool pointer_like = std::is_pointer_v<T>;
template <class T>
inline constexpr bool pointer_like<const T> = pointer_like<T>;
template <class T>
inline constexpr bool pointer_like<std::reference_wrapper<T>> = true;
template <class C, class Traits>
inline constexpr bool pointer_like<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool pointer_like<std::span<T, N>> = true;
template <class T, std::size_t N>
inline constexpr bool pointer_like<std::array<T, N>> = pointer_like<T>;
template <class T>
inline constexpr bool pointer_like<std::optional<T>> = pointer_like<T>;
template <class... T>
inline constexpr bool pointer_like<std::variant<T...>> = (pointer_like<T> || ...);
template <class... T>
inline constexpr bool pointer_like<std::tuple<T...>> = (pointer_like<T> || ...);
template <class A, class B>
inline constexpr bool pointer_like<std::pair<A, B>> = pointer_like<A> || pointer_like<B>;
template <class T>
  requires(!std::same_as<T, std::string>) && std::ranges::range<T> && requires {
    typename T::value_type;
    typename T::allocator_type;
    requires !std::same_as<T, typename T::value_type>;  // as in JSON libraries
  }
inline constexpr bool pointer_like<T> = pointer_like<typename T::value_type>;

}  // namespace parmap::inline PARMAP_ABI::detail
