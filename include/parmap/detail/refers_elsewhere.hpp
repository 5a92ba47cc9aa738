// SPDX-License-Identifier: MIT
// Types that refer to memory of the process they were made in.
#pragma once

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

namespace parmap::detail {

template <class T>
inline constexpr bool refers_elsewhere = std::is_pointer_v<T>;
template <class T>
inline constexpr bool refers_elsewhere<const T> = refers_elsewhere<T>;
template <class T>
inline constexpr bool refers_elsewhere<std::reference_wrapper<T>> = true;
template <class C, class Traits>
inline constexpr bool refers_elsewhere<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool refers_elsewhere<std::span<T, N>> = true;
template <class T, std::size_t N>
inline constexpr bool refers_elsewhere<std::array<T, N>> = refers_elsewhere<T>;
template <class T>
inline constexpr bool refers_elsewhere<std::optional<T>> = refers_elsewhere<T>;
template <class... T>
inline constexpr bool refers_elsewhere<std::variant<T...>> = (refers_elsewhere<T> || ...);
template <class... T>
inline constexpr bool refers_elsewhere<std::tuple<T...>> = (refers_elsewhere<T> || ...);
template <class A, class B>
inline constexpr bool refers_elsewhere<std::pair<A, B>> = refers_elsewhere<A> || refers_elsewhere<B>;
template <class T>
  requires(!std::same_as<T, std::string>) && std::ranges::range<T> && requires {
    typename T::value_type;
    typename T::allocator_type;
    requires !std::same_as<T, typename T::value_type>;  // as in JSON libraries
  }
inline constexpr bool refers_elsewhere<T> = refers_elsewhere<typename T::value_type>;

}  // namespace parmap::detail
