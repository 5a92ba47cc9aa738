// SPDX-License-Identifier: MIT
// What may leave a worker process, and how: in its slot as it is, or through codec<T>.
#pragma once

#include <parmap/detail/bytes.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace parmap {

/// How a T is written in a worker and read by the caller. There are codecs for std::string, the standard containers
/// (also nested), pair, tuple, array, optional and variant of what can leave a worker. Specialise it for a type of your
/// own:
///
///     template <>
///     struct parmap::codec<image> {
///       static void encode(parmap::encoder& out, const image& it) { out.put(it.width); out.put(it.pixels); }
///       static image decode(parmap::decoder& in) {
///         const auto width = in.get<int>();
///         return image(width, in.get<std::vector<float>>());
///       }
///     };
///
/// What encode throws makes the task fail as `unencodable`, and so does what decode throws. decode must not trust the
/// bytes: the task that wrote them may have gone astray.
template <class T>
struct codec;

class encoder;
class decoder;

namespace detail {

// Refers to memory that only the worker has.
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

template <class T>
concept has_codec = requires(const T& value, encoder& out, decoder& in) {
  codec<T>::encode(out, value);
  { codec<T>::decode(in) } -> std::same_as<T>;
};
// Its bytes are its value.
template <class T>
concept plain = std::is_trivially_copyable_v<T> && !refers_elsewhere<T> && !has_codec<T>;

// Constructed in shared memory as it is, and read there by the caller.
template <class T>
inline constexpr bool in_slot = plain<T>;
template <class A, class B>
inline constexpr bool in_slot<std::pair<A, B>> = in_slot<A> && in_slot<B>;
template <class... T>
inline constexpr bool in_slot<std::tuple<T...>> = (in_slot<T> && ...);
template <class T, std::size_t N>
inline constexpr bool in_slot<std::array<T, N>> = in_slot<T>;

}  // namespace detail

/// T can be the result of a task under multi: it goes straight into its slot, or has a codec. (A trivially copyable
/// class of yours that holds a pointer passes here, but its pointer means nothing to the caller.)
template <class T>
concept can_leave_worker =
    std::is_void_v<T> || (!detail::refers_elsewhere<T> && (detail::in_slot<T> || detail::has_codec<T>));

/// Where codec<T>::encode writes. Belongs to one task.
class encoder {
 public:
  explicit encoder(detail::byte_writer& out) : out_(out) {}

  /// Appends `size` bytes. Throws std::bad_alloc when the worker's arena is full.
  void write(const void* from, std::size_t size) { out_.write(from, size); }
  /// Appends a value of any type that can leave a worker.
  template <class T>
  void put(const T& value) {
    static_assert(detail::plain<T> || detail::has_codec<T>,
                  "parmap: this type has no codec; specialise parmap::codec for it");
    if constexpr (detail::has_codec<T>) codec<T>::encode(*this, value);
    else write(&value, sizeof value);
  }

 private:
  detail::byte_writer& out_;
};

/// Where codec<T>::decode reads. Every member throws parmap::bad_encoding rather than read past the end.
class decoder {
 public:
  explicit decoder(detail::byte_reader& in) : in_(in) {}

  /// The next `size` bytes; valid until decode returns. Not aligned.
  [[nodiscard]] const std::byte* read(std::size_t size) { return in_.read(size); }
  /// A value written by put<T>.
  template <class T>
  [[nodiscard]] T get() {
    static_assert(detail::plain<T> || detail::has_codec<T>,
                  "parmap: this type has no codec; specialise parmap::codec for it");
    if constexpr (detail::has_codec<T>) {
      return codec<T>::decode(*this);
    } else {
      std::array<std::byte, sizeof(T)> bytes;
      std::memcpy(bytes.data(), read(sizeof(T)), sizeof(T));
      if constexpr (std::same_as<T, bool>)
        if (std::to_integer<unsigned>(bytes[0]) > 1) throw bad_encoding();
      return std::bit_cast<T>(bytes);
    }
  }
  /// A number of elements, each of which takes at least `bytes_each` bytes that must still be there: so that a broken
  /// number cannot make the caller allocate without end.
  [[nodiscard]] std::size_t get_count(std::size_t bytes_each) {
    const auto count = get<std::uint64_t>();
    if (count > in_.left() / (bytes_each > 0 ? bytes_each : 1)) throw bad_encoding();
    return static_cast<std::size_t>(count);
  }

 private:
  detail::byte_reader& in_;
};

namespace detail {
template <class T>
concept transferable = !std::is_void_v<T> && (plain<T> || has_codec<T>);
// The fewest bytes an element takes.
template <class T>
inline constexpr std::size_t least_bytes = plain<T> ? sizeof(T) : 1;

template <class Container>
concept sequence = requires(Container c, typename Container::value_type v) {
  typename Container::allocator_type;
  c.push_back(std::move(v));
};
template <class Container>
concept associative = requires(Container c) {
  typename Container::key_type;
  typename Container::allocator_type;
  c.size();
};
template <class Container>
struct element_of {
  using type = typename Container::value_type;
};
template <associative Container>
  requires requires { typename Container::mapped_type; }
struct element_of<Container> {
  using type = std::pair<typename Container::key_type, typename Container::mapped_type>;
};
}  // namespace detail

/// string, vector, deque, list.
template <detail::sequence Container>
  requires detail::transferable<typename Container::value_type>
struct codec<Container> {
  using value = typename Container::value_type;
  static constexpr bool in_bulk =
      detail::plain<value> && !std::same_as<value, bool> && std::ranges::contiguous_range<Container>;

  static void encode(encoder& out, const Container& all) {
    out.put(std::uint64_t{all.size()});
    if constexpr (in_bulk) out.write(all.data(), all.size() * sizeof(value));
    else
      for (const value& each : all) out.put(each);
  }
  static Container decode(decoder& in) {
    const std::size_t count = in.get_count(detail::least_bytes<value>);
    if constexpr (in_bulk) {
      const std::byte* from = in.read(count * sizeof(value));
      if (reinterpret_cast<std::uintptr_t>(from) % alignof(value) == 0) {
        const auto* first = reinterpret_cast<const value*>(from);
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
      for (std::size_t i = 0; i < count; ++i) all.push_back(in.get<value>());
      return all;
    }
  }
};

/// set, map, multiset, multimap and their unordered kin.
template <detail::associative Container>
  requires(!detail::sequence<Container>) && detail::transferable<typename detail::element_of<Container>::type>
struct codec<Container> {
  using value = typename detail::element_of<Container>::type;

  static void encode(encoder& out, const Container& all) {
    out.put(std::uint64_t{all.size()});
    for (const auto& each : all) {
      if constexpr (requires {
                      each.second;
                      typename Container::mapped_type;
                    }) {
        out.put(each.first);
        out.put(each.second);
      } else {
        out.put(each);
      }
    }
  }
  static Container decode(decoder& in) {
    Container all;
    for (std::size_t count = in.get_count(1); count > 0; --count) {
      if constexpr (requires { typename Container::mapped_type; }) {
        auto key = in.get<typename Container::key_type>();
        auto mapped = in.get<typename Container::mapped_type>();
        all.emplace_hint(all.end(), std::move(key), std::move(mapped));
      } else {
        all.emplace_hint(all.end(), in.get<value>());
      }
    }
    return all;
  }
};

template <class A, class B>
  requires(!detail::plain<std::pair<A, B>>) && detail::transferable<std::remove_const_t<A>> &&
          detail::transferable<std::remove_const_t<B>>
struct codec<std::pair<A, B>> {
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

template <class... T>
  requires(sizeof...(T) > 0) && (detail::transferable<T> && ...)
struct codec<std::tuple<T...>> {
  static void encode(encoder& out, const std::tuple<T...>& all) {
    std::apply([&out](const T&... each) { (out.put(each), ...); }, all);
  }
  static std::tuple<T...> decode(decoder& in) {
    return std::tuple<T...>{in.get<T>()...};  // braces: in order
  }
};

template <class T, std::size_t N>
  requires(!std::is_trivially_copyable_v<T>) && detail::transferable<T>
struct codec<std::array<T, N>> {
  static void encode(encoder& out, const std::array<T, N>& all) {
    for (const T& each : all) out.put(each);
  }
  static std::array<T, N> decode(decoder& in) {
    return [&in]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<T, N>{(static_cast<void>(I), in.get<T>())...};
    }(std::make_index_sequence<N>());
  }
};

template <class T>
  requires(!std::is_trivially_copyable_v<T>) && detail::transferable<T>
struct codec<std::optional<T>> {
  static void encode(encoder& out, const std::optional<T>& it) {
    out.put(std::uint8_t{it.has_value()});
    if (it) out.put(*it);
  }
  static std::optional<T> decode(decoder& in) {
    if (in.get<std::uint8_t>() == 0) return std::nullopt;
    return in.get<T>();
  }
};

template <class... T>
  requires(!(std::is_trivially_copyable_v<T> && ...)) && (detail::transferable<T> && ...)
struct codec<std::variant<T...>> {
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
      throw bad_encoding();
    } else {
      if (index != I) return pick<I + 1>(in, index);
      return std::variant<T...>(std::in_place_index<I>, in.get<std::variant_alternative_t<I, std::variant<T...>>>());
    }
  }
};

}  // namespace parmap
