// SPDX-License-Identifier: MIT
// Types that refer to memory of the process that made them.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/has_codec.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace parmap::inline PARMAP_ABI::detail {

// A bit of a vector<bool> or a bitset.
template <class T>
concept bit_reference = std::convertible_to<T, bool> && requires(T& bit) {
  bit.flip();
  ~bit;
};
template <class T>
concept atomic_reference = requires {
  T::required_alignment;
  T::is_always_lock_free;
};
template <class T>
concept coroutine_reference = requires(const T& coroutine) {
  { coroutine.address() } -> std::same_as<void*>;
  coroutine.resume();
  coroutine.done();
};
// A std::sub_match.
template <class T>
concept match_reference = requires(T& match) {
  typename T::iterator;
  requires std::same_as<decltype(match.first), typename T::iterator>;
  match.matched;
};
// An iterator. Checks ++ first: on a unique_ptr<void>, checking * is already a hard error.
template <class T>
concept iterator_like = requires(T& it) { ++it; } && std::input_or_output_iterator<T>;
// Detects types by their interface, without including their headers. A codec of the user takes precedence.
template <class T>
concept refers_to_memory = std::is_class_v<T> &&
                           (iterator_like<T> || std::ranges::enable_view<T> || bit_reference<T> ||
                            atomic_reference<T> || coroutine_reference<T> || match_reference<T>) &&
                           !has_codec<T>;

template <class T>
inline constexpr bool pointer_like = std::is_pointer_v<T> || std::is_reference_v<T> || refers_to_memory<T>;
template <class T>
inline constexpr bool pointer_like<const T> = pointer_like<T>;
template <class T>
inline constexpr bool pointer_like<std::reference_wrapper<T>> = true;
template <class C, class Traits>
inline constexpr bool pointer_like<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool pointer_like<std::span<T, N>> = true;
template <class T>
inline constexpr bool pointer_like<std::initializer_list<T>> = true;
// On Linux it is the address of the thread's data, which a fork leaves in place: all workers have the caller's id.
template <>
inline constexpr bool pointer_like<std::thread::id> = true;
// Views that own their values.
template <class First, class Last>
inline constexpr bool pointer_like<std::ranges::iota_view<First, Last>> = pointer_like<First>;
template <class T>
inline constexpr bool pointer_like<std::ranges::single_view<T>> = pointer_like<T>;
template <class T>
inline constexpr bool pointer_like<std::ranges::empty_view<T>> = false;
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
    requires !std::same_as<T, typename T::value_type>;  // a container of its own type, as in JSON libraries
  }
inline constexpr bool pointer_like<T> = pointer_like<typename T::value_type>;

}  // namespace parmap::inline PARMAP_ABI::detail
