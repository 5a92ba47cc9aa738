// SPDX-License-Identifier: MIT
// The fields of an aggregate, found by structured bindings: their number, their types, and a call with all of them.
#pragma once

#include <parmap/detail/config.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

template <class... T>
struct types {};

inline constexpr std::size_t most_fields = 16;

// ---- The number of fields: the number of initialisers that T accepts. A wrong number would be an error that no
// concept can catch, so a type with an uncertain number counts as not divisible.

// Stand for an initialiser of any field type except T itself, which would copy a T.
template <class T>
struct any_value {
  template <class Field>
    requires(!std::same_as<Field, T>)
  operator Field() const;  // NOLINT(google-explicit-constructor)
};
template <class T>
struct any_lvalue {
  template <class Field>
    requires(!std::same_as<std::remove_const_t<Field>, T>)
  operator Field&() const;  // NOLINT(google-explicit-constructor)
};
// Only a field that can be constructed from anything, such as std::any, accepts it.
struct no_value {};
// Whether the members of Field may be the aggregate's own members, which structured bindings do not support: in a
// union, or, as an extension of gcc and clang, in a struct without a name.
template <class Field>
consteval bool may_be_anonymous() {
  const std::string_view name = __PRETTY_FUNCTION__;
  return std::is_union_v<Field> || name.find("<unnamed struct>") != name.npos ||
         name.find("(anonymous struct") != name.npos || name.find("(unnamed struct") != name.npos;
}
struct any_anonymous {
  template <class Field>
    requires(may_be_anonymous<Field>())
  operator Field() const;  // NOLINT(google-explicit-constructor)
};
// A type that can be constructed from anything prefers its constructor to the conversion of any_base, and is ambiguous
// with that of any_base_or_none.
template <class T>
struct any_base {
  template <class Field>
    requires(std::is_base_of_v<Field, T> && !std::same_as<Field, T>)
  operator Field() const;  // NOLINT(google-explicit-constructor)
};
template <class T>
struct any_base_or_none {
  template <class Field>
    requires(std::is_base_of_v<Field, T> && !std::same_as<Field, T>)
  operator Field();  // NOLINT(google-explicit-constructor)
};

// Whether T can be initialised by Empties times {} followed by values of the types Then. By parentheses: with braces an
// array could take several of the initialisers.
template <class T, std::size_t Empties, class... Then>
consteval bool accepts() {
  if constexpr (Empties == 1 && sizeof...(Then) == 0) return requires { T{{}}; };  // T({}) would copy a T
  else
    // clang-format off
  if constexpr (Empties == 0) return requires { T(std::declval<Then>()...); };
  else if constexpr (Empties == 1) return requires { T({}, std::declval<Then>()...); };
  else if constexpr (Empties == 2) return requires { T({}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 3) return requires { T({}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 4) return requires { T({}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 5) return requires { T({}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 6) return requires { T({}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 7) return requires { T({}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 8) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 9) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 10) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 11) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 12) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 13) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 14) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 15) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 16) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  else if constexpr (Empties == 17) return requires { T({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::declval<Then>()...); };
  // clang-format on
}

// The number of {} that T accepts; stops at one more than the supported number of fields.
template <class T, std::size_t Empties = 0>
consteval std::size_t count_empties() {
  // NOLINTBEGIN(bugprone-branch-clone): one condition for both would ask accepts() of more fields than it knows
  if constexpr (Empties > most_fields) return Empties;
  else if constexpr (accepts<T, Empties + 1>()) return count_empties<T, Empties + 1>();
  else return Empties;
  // NOLINTEND(bugprone-branch-clone)
}

// One initialiser for each field.
template <std::size_t Empties, class... Values>
struct initialisers {
  static constexpr bool known = true;
  static constexpr std::size_t count = Empties + sizeof...(Values);
};
struct no_initialisers {
  static constexpr bool known = false;
};

// Adds initialisers as long as T accepts more. An array after them accepts only {}, so its end could not be found.
template <class T, class... Values>
consteval auto add_values() {
  if constexpr (sizeof...(Values) > most_fields) return initialisers<0, Values...>();
  else if constexpr (accepts<T, 0, Values..., any_value<T>>()) return add_values<T, Values..., any_value<T>>();
  else if constexpr (accepts<T, 0, Values..., any_lvalue<T>>()) return add_values<T, Values..., any_lvalue<T>>();
  else if constexpr (requires { T(std::declval<Values>()..., {}); }) return no_initialisers();
  else return initialisers<0, Values...>();
}
// For fields that {} does not initialise: adds values of one kind until T can be constructed.
template <class T, class... Value>
consteval auto find_values(types<Value...>) {
  if constexpr (accepts<T, 0, any_value<Value>...>()) return add_values<T, any_value<Value>...>();
  else if constexpr (accepts<T, 0, any_lvalue<Value>...>()) return add_values<T, any_lvalue<Value>...>();
  else if constexpr (sizeof...(Value) > most_fields) return no_initialisers();
  else return find_values<T>(types<T, Value...>());
}

template <class T, std::size_t... I>
consteval auto find_values_behind(std::index_sequence<I...>) {
  return find_values<T>(types<T, std::enable_if_t<(I >= 0), T>...>());
}
template <class T>
consteval auto find_initialisers() {
  if constexpr (requires { T{}; }) {
    constexpr std::size_t empties = count_empties<T>();
    if constexpr (empties > most_fields) return initialisers<empties>();
    else if constexpr (!accepts<T, empties, any_value<T>>() && !accepts<T, empties, any_lvalue<T>>())
      return initialisers<empties>();
    else return find_values_behind<T>(std::make_index_sequence<empties>());  // a field that {} does not initialise
  } else {
    return find_values<T>(types<T>());
  }
}

// ---- What structured bindings do not support.

// Whether T has a base class, which takes the first initialiser.
template <class T, std::size_t Empties, class... Values>
consteval bool has_base(initialisers<Empties, Values...>) {
  const auto first_is = []<class First, class... Rest>(types<First, Rest...>) {
    if constexpr (accepts<T, 0, no_value, Rest...>()) return !accepts<T, 0, any_base_or_none<T>, Rest...>();
    else return accepts<T, 0, any_base<T>, Rest...>();
  };
  if constexpr (sizeof...(Values) == 0) return first_is(types<void>());
  else return first_is(types<Values...>());
}

template <class T, std::size_t Empties, class... Rest>
inline constexpr bool anonymous_behind =
    accepts<T, Empties, any_anonymous, Rest...>() && !accepts<T, Empties, no_value, Rest...>();
template <class T, class... Before, class Here, class... Rest>
consteval bool has_anonymous(types<Before...>, types<Here, Rest...>) {
  if constexpr (accepts<T, 0, Before..., any_anonymous, Rest...>() && !accepts<T, 0, Before..., no_value, Rest...>())
    return true;
  else if constexpr (sizeof...(Rest) == 0) return false;
  else return has_anonymous<T>(types<Before..., Here>(), types<Rest...>());
}
template <class T, std::size_t Empties, class... Values>
consteval bool has_anonymous(initialisers<Empties, Values...>) {
  if constexpr (sizeof...(Values) > 0) return has_anonymous<T>(types<>(), types<Values...>());
  else
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (anonymous_behind<T, I> || ...);
    }(std::make_index_sequence<Empties>());
}

// ---- The fields themselves.

enum class division { possible, impossible, base, too_many_fields };

struct divided {
  division is;
  std::size_t count;
};

template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

// T is an aggregate class without const or volatile.
template <class T>
consteval divided divide() {
  if constexpr (tuple_like<T>) {  // bindings would call get
    return {division::impossible, 0};
  } else {
    constexpr auto found = find_initialisers<T>();
    // NOLINTBEGIN(bugprone-branch-clone): a later condition may be asked only where those before it are false
    if constexpr (!found.known) return {division::impossible, 0};
    else if constexpr (has_base<T>(found)) return {division::base, 0};
    else if constexpr (found.count > most_fields) return {division::too_many_fields, 0};
    else if constexpr (has_anonymous<T>(found)) return {division::impossible, 0};
    else return {division::possible, found.count};
    // NOLINTEND(bugprone-branch-clone)
  }
}
template <class T>
inline constexpr divided division_of = divide<T>();

// Calls take(types<Field...>(), field...), with the fields' declared types.
template <std::size_t Count, class T, class Take>
constexpr decltype(auto) with_fields(T& all, const Take& take) {
  if constexpr (Count == 1) {
    auto& [a] = all;
    return take(types<decltype(a)>(), a);
  } else if constexpr (Count == 2) {
    auto& [a, b] = all;
    return take(types<decltype(a), decltype(b)>(), a, b);
  } else if constexpr (Count == 3) {
    auto& [a, b, c] = all;
    return take(types<decltype(a), decltype(b), decltype(c)>(), a, b, c);
  } else if constexpr (Count == 4) {
    auto& [a, b, c, d] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d)>(), a, b, c, d);
  } else if constexpr (Count == 5) {
    auto& [a, b, c, d, e] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e)>(), a, b, c, d, e);
  } else if constexpr (Count == 6) {
    auto& [a, b, c, d, e, f] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f)>(), a, b, c, d, e,
                f);
  } else if constexpr (Count == 7) {
    auto& [a, b, c, d, e, f, g] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g)>(), a,
                b, c, d, e, f, g);
  } else if constexpr (Count == 8) {
    auto& [a, b, c, d, e, f, g, h] = all;
    return take(
        types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g), decltype(h)>(),
        a, b, c, d, e, f, g, h);
  } else if constexpr (Count == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i)>(),
                a, b, c, d, e, f, g, h, i);
  } else if constexpr (Count == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i), decltype(j)>(),
                a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (Count == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i), decltype(j), decltype(k)>(),
                a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (Count == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l)>(),
                a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (Count == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m)>(),
                a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (Count == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = all;
    return take(types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
                      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n)>(),
                a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (Count == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = all;
    return take(
        types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g), decltype(h),
              decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n), decltype(o)>(),
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else if constexpr (Count == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = all;
    return take(
        types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g), decltype(h),
              decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n), decltype(o), decltype(p)>(),
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  } else {
    return take(types<>());
  }
}

struct take_types {
  template <class Types, class... Field>
  constexpr Types operator()(Types fields, const Field&...) const {
    return fields;
  }
};
// Defined if division_of<T> is possible.
template <class T>
using field_types = decltype(with_fields<division_of<T>.count>(std::declval<T&>(), take_types()));

}  // namespace parmap::inline PARMAP_ABI::detail
