// SPDX-License-Identifier: MIT
// sent_function: which callables can be sent to workers that are there already, and how they become bytes and back.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/obstacle.hpp>
#include <parmap/encoding.hpp>
#include <parmap/fargs.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// What keeps a callable from being sent. Of a function goes its address, and of an empty class nothing: its code is in
// the worker already. Of what fargs returns the function and the fixed values go.
enum class function_obstacle {
  none,
  captures,
  erased,
  bound,
  member,
  not_made_again,
  fixed_reference,
  fixed_refers,
  fixed_has_no_codec,
};

// An obstacle, and the callable or the fixed value that is it.
template <function_obstacle What, class T = void>
struct found_function_obstacle {
  static constexpr function_obstacle what = What;
};

template <class F>
inline constexpr bool is_function_pointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;
template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;
// A std::function, or another class that holds anything with a signature.
template <class F>
inline constexpr bool is_erased_function = false;
template <template <class...> class Wrapper, class Signature>
  requires std::is_function_v<Signature>
inline constexpr bool is_erased_function<Wrapper<Signature>> = true;
// An object of an empty class that bytes or a default constructor can make again.
template <class F>
inline constexpr bool can_be_made_again =
    std::is_empty_v<F> && (std::is_default_constructible_v<F> || std::is_trivially_copyable_v<F>);

template <class Value>
consteval auto find_fixed_obstacle() {
  using enum function_obstacle;
  if constexpr (is_reference_wrapper<Value>) {
    return found_function_obstacle<fixed_reference, Value>();
  } else {
    constexpr obstacle found = decltype(find_obstacle<Value>())::what;
    if constexpr (found == obstacle::none) return found_function_obstacle<none>();
    else if constexpr (found == obstacle::refers || found == obstacle::field_refers)
      return found_function_obstacle<fixed_refers, Value>();
    else return found_function_obstacle<fixed_has_no_codec, Value>();
  }
}

// The first of those that are found in order that is an obstacle.
template <class... Found>
struct first_function_obstacle {
  using type = found_function_obstacle<function_obstacle::none>;
};
template <class First, class... Rest>
struct first_function_obstacle<First, Rest...> : first_function_obstacle<Rest...> {};
template <class First, class... Rest>
  requires(First::what != function_obstacle::none)
struct first_function_obstacle<First, Rest...> {
  using type = First;
};

// For a decayed F.
template <class F>
struct sent_function {
  static consteval auto find() {
    using enum function_obstacle;
    if constexpr (is_function_pointer<F> || can_be_made_again<F>) return found_function_obstacle<none>();
    else if constexpr (std::is_empty_v<F>) return found_function_obstacle<not_made_again, F>();
    else if constexpr (std::is_member_pointer_v<F>) return found_function_obstacle<member, F>();
    else if constexpr (std::is_bind_expression_v<F>) return found_function_obstacle<bound, F>();
    else if constexpr (is_erased_function<F>) return found_function_obstacle<erased, F>();
    else return found_function_obstacle<captures, F>();
  }

  static void encode([[maybe_unused]] encoder& out, [[maybe_unused]] const F& f) {
    if constexpr (is_function_pointer<F>) out.put(reinterpret_cast<std::uintptr_t>(f));
  }
  static F decode([[maybe_unused]] decoder& in) {
    if constexpr (is_function_pointer<F>)
      return reinterpret_cast<F>(in.get<std::uintptr_t>());  // NOLINT(performance-no-int-to-ptr): it was one
    else if constexpr (std::is_default_constructible_v<F>) return F();
    else return std::bit_cast<F>(std::array<std::byte, sizeof(F)>{});
  }
  template <class Visit>
  static void for_each_address([[maybe_unused]] const F& f, [[maybe_unused]] Visit& visit) {
    if constexpr (is_function_pointer<F>) visit(reinterpret_cast<const void*>(f));
  }
};

template <class F, class... Fixed>
struct sent_function<fixed_arguments<F, Fixed...>> {
  using function = fixed_arguments<F, Fixed...>;

  static consteval auto find() {
    return typename first_function_obstacle<decltype(sent_function<F>::find()),
                                            decltype(find_fixed_obstacle<Fixed>())...>::type();
  }

  static void encode(encoder& out, const function& f) {
    sent_function<F>::encode(out, f.function());
    std::apply([&](const Fixed&... each) { (out.put(each), ...); }, f.fixed());
  }
  static function decode(decoder& in) {
    return function{std::in_place, sent_function<F>::decode(in), in.get<Fixed>()...};  // braces: in order
  }
  template <class Visit>
  static void for_each_address(const function& f, Visit& visit) {
    sent_function<F>::for_each_address(f.function(), visit);
  }
};

// Whether f can be sent: a function, an object of an empty class such as a lambda without captures, or what fargs makes
// of these and of values that can leave a worker.
template <class F>
inline constexpr bool can_send_function =
    decltype(sent_function<std::decay_t<F>>::find())::what == function_obstacle::none;

// The same. If f cannot be sent, a static_assert names the remedy, and the type Found shows what is in the way.
template <class F, class Found = decltype(sent_function<std::decay_t<F>>::find())>
consteval bool check_sent_function() {
  constexpr function_obstacle found = Found::what;
  static_assert(found != function_obstacle::captures,
                "parmap: a pool's workers are there already, so this f cannot bring its captures along; pass them as "
                "fixed arguments of a function or of a lambda without captures: parmap::fargs(sim, p) for "
                "[&](double x) { return sim(x, p); }");
  static_assert(
      found != function_obstacle::erased,
      "parmap: a pool's workers are there already, so this f, a std::function or its like, cannot bring along "
      "what it holds; pass the function itself, a lambda without captures, or parmap::fargs of one of them");
  static_assert(
      found != function_obstacle::bound,
      "parmap: a pool's workers are there already, so this f, which std::bind made, cannot bring along what it "
      "holds; let parmap::fargs fix the trailing arguments: parmap::fargs(sim, p) for std::bind(sim, _1, p)");
  static_assert(found != function_obstacle::member,
                "parmap: a pointer to a member cannot be sent to a pool's workers; call the member in a lambda without "
                "captures: [](const point& it) { return it.norm(); } for &point::norm");
  static_assert(found != function_obstacle::not_made_again,
                "parmap: a pool's workers are there already, and make this f again from its type, so the class of f "
                "must have a default constructor or be trivially copyable");
  static_assert(
      found != function_obstacle::fixed_reference,
      "parmap: a pool's workers are there already, so std::ref and std::cref cannot lead them to the caller's "
      "variable; fix its value: parmap::fargs(sim, p) for parmap::fargs(sim, std::cref(p))");
  static_assert(found != function_obstacle::fixed_refers,
                "parmap: a fixed argument of f is a pointer, a string_view, a span or another view, or has one inside, "
                "and what it refers to is not in a pool's workers; fix the value itself (std::string, std::vector): "
                "parmap::fargs(f, std::string(\"text\"))");
  static_assert(
      found != function_obstacle::fixed_has_no_codec,
      "parmap: a fixed argument of f cannot be sent to a pool's workers: it is not trivially copyable, is not "
      "a struct whose fields can all be sent, and has no codec; specialise parmap::codec for it, or fix "
      "something that has one");
  return found == function_obstacle::none;
}

// Writes f; it can be sent. Throws what the encoder and the codecs of the fixed values throw.
template <class F>
void encode_function(encoder& out, const F& f) {
  sent_function<std::decay_t<F>>::encode(out, f);
}
// What encode_function has written. Throws bad_encoding if the bytes are damaged, and what the codecs of the fixed
// values throw. The address of a function is not checked: see for_each_code_address.
template <class F>
[[nodiscard]] std::decay_t<F> decode_function(decoder& in) {
  return sent_function<std::decay_t<F>>::decode(in);
}
// Calls visit(const void*) with the address of each function in f, which may be null.
template <class F, class Visit>
void for_each_code_address(const F& f, Visit visit) {
  sent_function<std::decay_t<F>>::for_each_address(f, visit);
}

}  // namespace parmap::inline PARMAP_ABI::detail
