// SPDX-License-Identifier: MIT
// Which types can leave a worker process: values in slots, types with a codec, aggregates; the codecs of the standard
// types.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/aggregate_fields.hpp>
#include <parmap/detail/encoding/obstacle.hpp>
#include <parmap/encoding.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <forward_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// Shared memory begins at a page, of 4 KiB at least.
inline constexpr std::size_t slot_alignment = 4096;

// True for a type that a worker constructs in shared memory and the caller reads there.
template <class T>
inline constexpr bool in_slot = plain<T> && alignof(T) <= slot_alignment;
template <class A, class B>
inline constexpr bool in_slot<std::pair<A, B>> = in_slot<A> && in_slot<B>;
template <class... T>
inline constexpr bool in_slot<std::tuple<T...>> = (in_slot<T> && ...);
template <class T, std::size_t N>
inline constexpr bool in_slot<std::array<T, N>> = in_slot<T>;

}  // namespace detail

/// Whether T can be the result of a task under multi: T is trivially copyable, has a codec, or is an aggregate of such
/// fields.
///
///     static_assert(parmap::can_leave_worker<std::vector<std::string>>);
///     static_assert(!parmap::can_leave_worker<std::string_view>);   // its text stays in the worker
///
/// A pointer, reference or view cannot leave, alone or in an aggregate of up to 16 fields without a base class or a
/// union. parmap does not see the fields of any other trivially copyable class: the class passes, but a pointer in it
/// means nothing to the caller.
template <class T>
concept can_leave_worker = detail::leaves<T>;

namespace detail {

// The least number of bytes that an element takes.
template <class T>
inline constexpr std::size_t least_bytes = plain<T> ? sizeof(T) : 1;

// An element whose codec writes nothing gets a filler byte, so that the bytes bound the number of elements.
inline constexpr std::uint8_t filler = 0xe5;
template <class Put>
void put_element(encoder& out, const Put& put) {
  const std::size_t before = out.written();
  put();
  if (out.written() == before) out.put(filler);
}
template <class Get>
auto get_element(decoder& in, const Get& get) {
  const std::size_t before = in.left();
  auto element = get();
  if (in.left() == before && in.get<std::uint8_t>() != filler)
    throw bad_encoding("decode reads nothing of what encode wrote");
  return element;
}

// The class that declares a member function. Serves to exclude a class derived from a container, which may hold more
// than its elements.
template <class Class, class Result>
Class declared_by(Result (Class::*)() const);
template <class Class, class Result>
Class declared_by(Result (Class::*)() const noexcept);

// A container, but not one whose elements are of its own type, as in JSON libraries.
template <class Container>
concept container = requires(const Container& c) {
  typename Container::value_type;
  typename Container::allocator_type;
  c.begin();
  { declared_by(&Container::size) } -> std::same_as<Container>;
} && !std::same_as<Container, typename Container::value_type>;
template <class Container>
concept sequence =
    container<Container> && requires(Container c, typename Container::value_type v) { c.push_back(std::move(v)); };
template <class Container>
concept encodable_sequence = sequence<Container> && transferable<typename Container::value_type>;

// The order or the hash of the keys depends on the type alone. The state of a function pointer or of any other such
// object would be lost.
template <class Container>
concept ordered_by_type = requires { requires std::is_empty_v<typename Container::key_compare>; } || requires {
  requires std::is_empty_v<typename Container::hasher> && std::is_empty_v<typename Container::key_equal>;
};
template <class Container>
concept associative = container<Container> && !sequence<Container> && ordered_by_type<Container> &&
                      requires { typename Container::key_type; };
template <class Container>
concept mapping = associative<Container> && requires { typename Container::mapped_type; };
template <class Container>
concept encodable_set = associative<Container> && !mapping<Container> && transferable<typename Container::key_type>;
template <class Container>
concept encodable_map =
    mapping<Container> && transferable<typename Container::key_type> && transferable<typename Container::mapped_type>;

// std::filesystem::path, without its costly header.
template <class Path>
concept path_like = requires(const Path& path) {
  typename Path::string_type;
  { path.native() } -> std::same_as<const typename Path::string_type&>;
  { declared_by(&Path::native) } -> std::same_as<Path>;
} && std::constructible_from<Path, typename Path::string_type>;

}  // namespace detail

/// string, vector, deque, list.
template <detail::encodable_sequence Container>
struct codec<Container> {
  using value = typename Container::value_type;
  using parts = detail::types<value>;
  static constexpr bool in_bulk =
      detail::plain<value> && !std::same_as<value, bool> && std::ranges::contiguous_range<Container>;

  static void encode(encoder& out, const Container& all) {
    out.put(std::uint64_t{all.size()});
    if constexpr (in_bulk) out.write(all.data(), all.size() * sizeof(value));
    else
      for (const value& each : all) detail::put_element(out, [&] { out.put(each); });
  }
  static Container decode(decoder& in) {
    const std::size_t count = in.get_count(detail::least_bytes<value>);
    if constexpr (in_bulk) {
      const std::byte* from = in.read(count * sizeof(value));
      if (reinterpret_cast<std::uintptr_t>(from) % alignof(value) == 0) {
        // They are aligned; -Wcast-align does not see it.
        const auto* first =
            static_cast<const value*>(static_cast<const void*>(from));  // NOLINT(bugprone-casting-through-void)
        return Container(first, first + count);
      }
      Container all;
      all.reserve(count);
      for (std::size_t i = 0; i < count; ++i, from += sizeof(value)) {
        std::array<std::byte, sizeof(value)> bytes;
        std::memcpy(bytes.data(), from, sizeof(value));
        all.push_back(std::bit_cast<value>(bytes));
      }
      return all;
    } else {
      Container all;
      for (std::size_t i = 0; i < count; ++i) all.push_back(detail::get_element(in, [&in] { return in.get<value>(); }));
      return all;
    }
  }
};

/// forward_list, which has no size().
template <class T, class Allocator>
  requires detail::transferable<T>
struct codec<std::forward_list<T, Allocator>> {
  using list = std::forward_list<T, Allocator>;
  using parts = detail::types<T>;

  static void encode(encoder& out, const list& all) {
    out.put(static_cast<std::uint64_t>(std::distance(all.begin(), all.end())));
    for (const T& each : all) detail::put_element(out, [&] { out.put(each); });
  }
  static list decode(decoder& in) {
    list all;
    auto last = all.before_begin();
    for (std::size_t count = in.get_count(detail::least_bytes<T>); count > 0; --count)
      last = all.insert_after(last, detail::get_element(in, [&in] { return in.get<T>(); }));
    return all;
  }
};

/// set, multiset and their unordered forms.
template <detail::encodable_set Container>
struct codec<Container> {
  using value = typename Container::key_type;
  using parts = detail::types<value>;

  static void encode(encoder& out, const Container& all) {
    out.put(std::uint64_t{all.size()});
    for (const value& each : all) detail::put_element(out, [&] { out.put(each); });
  }
  static Container decode(decoder& in) {
    Container all;
    for (std::size_t count = in.get_count(detail::least_bytes<value>); count > 0; --count)
      all.emplace_hint(all.end(), detail::get_element(in, [&in] { return in.get<value>(); }));
    return all;
  }
};

/// map, multimap and their unordered forms.
template <detail::encodable_map Container>
struct codec<Container> {
  using key = typename Container::key_type;
  using mapped = typename Container::mapped_type;
  using parts = detail::types<key, mapped>;

  static void encode(encoder& out, const Container& all) {
    out.put(std::uint64_t{all.size()});
    for (const auto& [first, second] : all)
      detail::put_element(out, [&out, &it = first, &to = second] {
        out.put(it);
        out.put(to);
      });
  }
  static Container decode(decoder& in) {
    Container all;
    for (std::size_t count = in.get_count(1); count > 0; --count) {
      auto entry = detail::get_element(in, [&in] {
        return std::pair<key, mapped>{in.get<key>(), in.get<mapped>()};  // braces: in order
      });
      all.emplace_hint(all.end(), std::move(entry.first), std::move(entry.second));
    }
    return all;
  }
};

/// std::filesystem::path.
template <detail::path_like Path>
struct codec<Path> {
  static void encode(encoder& out, const Path& path) { out.put(path.native()); }
  static Path decode(decoder& in) { return Path(in.get<typename Path::string_type>()); }
};

/// pair of types that can leave a worker.
template <class A, class B>
  requires(!detail::plain<std::pair<A, B>>) && detail::transferable<std::remove_const_t<A>> &&
          detail::transferable<std::remove_const_t<B>>
struct codec<std::pair<A, B>> {
  using parts = detail::types<std::remove_const_t<A>, std::remove_const_t<B>>;

  static void encode(encoder& out, const std::pair<A, B>& both) {
    out.put(both.first);
    out.put(both.second);
  }
  static std::pair<A, B> decode(decoder& in) {
    auto first = in.get<std::remove_const_t<A>>();  // an element of a map has a const key
    auto second = in.get<std::remove_const_t<B>>();
    return {std::move(first), std::move(second)};
  }
};

/// tuple of types that can leave a worker.
template <class... T>
  requires(sizeof...(T) > 0) && (detail::transferable<T> && ...)
struct codec<std::tuple<T...>> {
  using parts = detail::types<T...>;

  static void encode(encoder& out, const std::tuple<T...>& all) {
    std::apply([&out](const T&... each) { (out.put(each), ...); }, all);
  }
  static std::tuple<T...> decode(decoder& in) {
    return std::tuple<T...>{in.get<T>()...};  // braces: in order
  }
};

/// array of elements that can leave a worker.
template <class T, std::size_t N>
  requires(!detail::plain<T>) && detail::transferable<T>
struct codec<std::array<T, N>> {
  using parts = detail::types<T>;

  static void encode(encoder& out, const std::array<T, N>& all) {
    for (const T& each : all) out.put(each);
  }
  static std::array<T, N> decode(decoder& in) {
    return [&in]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<T, N>{(static_cast<void>(I), in.get<T>())...};
    }(std::make_index_sequence<N>());
  }
};

/// optional of a type that can leave a worker.
template <class T>
  requires(!detail::plain<T>) && detail::transferable<T>
struct codec<std::optional<T>> {
  using parts = detail::types<T>;

  static void encode(encoder& out, const std::optional<T>& it) {
    out.put(it.has_value());
    if (it) out.put(*it);
  }
  static std::optional<T> decode(decoder& in) {
    if (!in.get<bool>()) return std::nullopt;
    return in.get<T>();
  }
};

/// unique_ptr to one object. There is no codec for a polymorphic class that is not final: of an object of a derived
/// class it would write only the base.
template <class T>
  requires(!std::is_array_v<T>) &&
          (!std::is_polymorphic_v<T> || std::is_final_v<T>) && detail::transferable<std::remove_const_t<T>>
struct codec<std::unique_ptr<T>> {
  using parts = detail::types<std::remove_const_t<T>>;

  static void encode(encoder& out, const std::unique_ptr<T>& it) {
    out.put(it != nullptr);
    if (it) out.put(*it);
  }
  static std::unique_ptr<T> decode(decoder& in) {
    if (!in.get<bool>()) return nullptr;
    return std::unique_ptr<T>(new T(in.get<std::remove_const_t<T>>()));
  }
};

/// variant of types that can leave a worker. A valueless variant throws std::bad_variant_access.
template <class... T>
  requires(!(detail::plain<T> && ...)) && (detail::transferable<T> && ...)
struct codec<std::variant<T...>> {
  using parts = detail::types<T...>;

  static void encode(encoder& out, const std::variant<T...>& it) {
    if (it.valueless_by_exception()) throw std::bad_variant_access();
    out.put(std::uint64_t{it.index()});
    std::visit([&out](const auto& value) { out.put(value); }, it);
  }
  static std::variant<T...> decode(decoder& in) { return pick<0>(in, in.get<std::uint64_t>()); }

 private:
  template <std::size_t I>
  static std::variant<T...> pick(decoder& in, std::uint64_t index) {
    if constexpr (I == sizeof...(T)) {
      throw bad_encoding("a variant has no such alternative");
    } else {
      if (index != I) return pick<I + 1>(in, index);
      return std::variant<T...>(std::in_place_index<I>, in.get<std::variant_alternative_t<I, std::variant<T...>>>());
    }
  }
};

}  // namespace parmap::inline PARMAP_ABI
