// SPDX-License-Identifier: MIT
// Whether a type leaves a worker process as its bytes, by its codec or by its fields; or the obstacle to it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/aggregate_fields.hpp>
#include <parmap/detail/encoding/has_codec.hpp>
#include <parmap/detail/encoding/pointer_like.hpp>

#include <concepts>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

template <class T>
concept aggregate_class = std::is_class_v<T> && std::is_aggregate_v<T>;

// False if a field is not plain: it has a codec or is a pointer, and its bytes are not its value. True if the fields
// cannot be determined.
template <class T>
inline constexpr bool has_plain_fields = true;

// A type whose bytes are its value.
template <class T>
concept plain = std::is_trivially_copyable_v<T> && !pointer_like<T> && !has_codec<T> && has_plain_fields<T>;

template <class... Field>
consteval bool all_plain(types<Field...>) {
  return (plain<std::remove_all_extents_t<Field>> && ...);
}
template <aggregate_class T>
inline constexpr bool has_plain_fields<T> = [] {
  using aggregate = std::remove_cv_t<T>;
  if constexpr (division_of<aggregate>.is == division::possible) return all_plain(field_types<aggregate>());
  else return true;
}();

// An aggregate that nothing else can encode. Its fields are not checked here, as they may be containers of T;
// find_obstacle checks them.
template <class T>
concept by_fields = aggregate_class<T> && std::same_as<T, std::remove_cv_t<T>> && !has_codec<T> && !plain<T> &&
                    !pointer_like<T> && !tuple_like<T>;

template <class T>
concept transferable = !std::is_void_v<T> && (plain<T> || has_codec<T> || by_fields<T>);

enum class obstacle {
  none,
  refers,
  no_codec,
  field_refers,
  field_has_no_codec,
  field_is_array,
  too_many_fields,
  base,
  own_destructor,
  not_divisible,
};

// An obstacle, and its place: T itself, or a field of the aggregate In.
template <obstacle What, class T = void, class In = void>
struct found_obstacle {
  static constexpr obstacle what = What;
};
using no_obstacle = found_obstacle<obstacle::none>;

template <class T, class... Above>
consteval auto find_obstacle();

// The first obstacle in a list of types.
template <class... Above>
consteval auto find_in(types<>, types<Above...>) {
  return no_obstacle();
}
template <class First, class... Rest, class... Above>
consteval auto find_in(types<First, Rest...>, types<Above...> above) {
  constexpr auto found = find_obstacle<First, Above...>();
  if constexpr (found.what != obstacle::none) return found;
  else return find_in(types<Rest...>(), above);
}

// The obstacle in a field; of an array, in its elements.
template <class T, class Field, class... Above>
consteval auto find_in_field() {
  constexpr auto found = find_obstacle<std::remove_cv_t<std::remove_all_extents_t<Field>>, Above...>();
  if constexpr (found.what == obstacle::refers) return found_obstacle<obstacle::field_refers, Field, T>();
  else if constexpr (found.what == obstacle::no_codec || std::is_volatile_v<Field>)
    return found_obstacle<obstacle::field_has_no_codec, Field, T>();
  else return found;
}
template <class T, class... Above>
consteval auto find_in_fields(types<>, types<Above...>) {
  return no_obstacle();
}
template <class T, class First, class... Rest, class... Above>
consteval auto find_in_fields(types<First, Rest...>, types<Above...> above) {
  constexpr auto found = find_in_field<T, First, Above...>();
  if constexpr (found.what != obstacle::none) return found;
  else return find_in_fields<T>(types<Rest...>(), above);
}

// Whether T has its own destructor, copy or move. It does something, such as closing a file, that fields alone cannot
// reproduce.
template <class T, class... Field>
consteval bool has_own_destructor(types<Field...>) {
  return ((std::is_trivially_copyable_v<Field> && ...) && !std::is_trivially_copyable_v<T>) ||
         ((std::is_trivially_destructible_v<Field> && ...) && !std::is_trivially_destructible_v<T>) ||
         ((std::is_nothrow_move_constructible_v<Field> && ...) && !std::is_nothrow_move_constructible_v<T>);
}

template <class T, class... Above, class... Field>
consteval auto find_in_aggregate(types<Field...> fields) {
  constexpr auto found = find_in_fields<T>(fields, types<T, Above...>());
  if constexpr (found.what != obstacle::none) return found;
  else if constexpr ((std::is_array_v<Field> || ...)) return found_obstacle<obstacle::field_is_array, void, T>();
  else if constexpr (has_own_destructor<T>(fields)) return found_obstacle<obstacle::own_destructor, void, T>();
  else return no_obstacle();
}

// The first obstacle that keeps a T in its worker. `Above` lists the aggregates that contain this T, so that a T inside
// itself, through containers, is checked only once.
template <class T, class... Above>
consteval auto find_obstacle() {
  // NOLINTBEGIN(bugprone-branch-clone): a later condition may be asked only where those before it are false
  if constexpr (std::is_void_v<T> || (std::same_as<T, Above> || ...)) return no_obstacle();
  else if constexpr (pointer_like<T>) return found_obstacle<obstacle::refers, T>();
  else if constexpr (has_codec<T>) {
    if constexpr (requires { typename codec<T>::parts; }) return find_in(typename codec<T>::parts(), types<Above...>());
    else return no_obstacle();
  } else if constexpr (plain<T>) return no_obstacle();
  else if constexpr (!by_fields<T>) return found_obstacle<obstacle::no_codec, T>();
  else if constexpr (division_of<T>.is == division::base) return found_obstacle<obstacle::base, void, T>();
  else if constexpr (division_of<T>.is == division::too_many_fields)
    return found_obstacle<obstacle::too_many_fields, void, T>();
  else if constexpr (division_of<T>.is == division::impossible)
    return found_obstacle<obstacle::not_divisible, void, T>();
  else return find_in_aggregate<T, Above...>(field_types<T>());
  // NOLINTEND(bugprone-branch-clone)
}

template <class T>
inline constexpr bool leaves = decltype(find_obstacle<T>())::what == obstacle::none;

}  // namespace parmap::inline PARMAP_ABI::detail
