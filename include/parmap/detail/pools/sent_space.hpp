// SPDX-License-Identifier: MIT
// sent_space: an index space as bytes for workers that are there already, and the space that they make of them.
#pragma once

#include <parmap/axis.hpp>
#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/obstacle.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/encoding.hpp>
#include <parmap/product.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// ---- The elements of one axis.

// Whether the bytes of a V are its value, if V may be an array.
template <class V>
inline constexpr bool plain_element = plain<std::remove_all_extents_t<V>>;

// The elements that have been read, at a fixed address. Copies share them.
template <class V>
class received_elements {
 public:
  // Reads what encode_elements has written. Throws bad_encoding, and what the codec of V throws.
  explicit received_elements(decoder& in) {
    if constexpr (plain_element<V>) {
      size_ = in.get_count(sizeof(V));
      const std::byte* const from = in.read(size_ * sizeof(V));
      if constexpr (std::same_as<V, bool>)
        if (std::any_of(from, from + size_, [](std::byte each) { return std::to_integer<unsigned>(each) > 1; }))
          throw bad_encoding("a bool is neither 0 nor 1");
      first_ = std::allocator<V>().allocate(size_);
      owner_.reset(first_, [count = size_](V* all) { std::allocator<V>().deallocate(all, count); });
      if (size_ > 0) std::memcpy(static_cast<void*>(first_), from, size_ * sizeof(V));
    } else {
      size_ = in.get_count(least_bytes<V>);
      const auto all = std::make_shared<std::vector<V>>();
      for (std::size_t i = 0; i < size_; ++i) all->push_back(get_element(in, [&in] { return in.get<V>(); }));
      first_ = all->data();
      owner_ = all;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] V& operator[](std::uint64_t i) const noexcept { return first_[i]; }

 private:
  V* first_{};
  std::size_t size_{};
  std::shared_ptr<void> owner_;
};

template <class V, class Element>
void encode_element(encoder& out, Element&& element) {
  if constexpr (!std::same_as<std::remove_const_t<std::remove_reference_t<Element>>, V>) {
    const V value(std::forward<Element>(element));  // of a proxy, such as that of a bit
    encode_element<V>(out, value);
  } else if constexpr (plain_element<V>) {
    out.write(std::addressof(element), sizeof(V));
  } else {
    put_element(out, [&] { out.put<V>(element); });
  }
}

// Whether the elements of an axis lie side by side.
template <class Axis>
inline constexpr bool is_contiguous = false;
template <class Iterator, bool Stored>
inline constexpr bool is_contiguous<indexed_axis<Iterator, Stored>> =
    std::contiguous_iterator<Iterator> && !std::is_volatile_v<std::remove_reference_t<std::iter_reference_t<Iterator>>>;

// Writes the elements [first, first + count) of an axis as values of type V. Throws what the axis, the encoder and the
// codec of V throw.
template <class V, class Axis>
void encode_elements(encoder& out, const Axis& axis, std::uint64_t first, std::uint64_t count) {
  out.put(count);
  if (count == 0) return;
  if constexpr (plain_element<V> && is_contiguous<Axis>) {
    axis.spread(first, [&](const V& element) { out.write(std::addressof(element), count * sizeof(V)); });
  } else {
    for (auto at = axis.cursor(first);; ++at) {
      at.spread([&out](auto&& element) { encode_element<V>(out, std::forward<decltype(element)>(element)); });
      if (--count == 0) return;
    }
  }
}

// ---- The axis that a worker has.

// What the worker holds for an element that an iterator returns as Element, and what it hands to f. A temporary is
// handed as a copy of its own, since a value may be used by several tasks and attempts; so is what the iterator allows
// to be moved from.
template <class Iterator>
using held_value =
    std::conditional_t<std::is_reference_v<std::iter_reference_t<Iterator>>,
                       std::remove_cvref_t<std::iter_reference_t<Iterator>>, std::iter_value_t<Iterator>>;
template <class Iterator>
using handed_element = std::conditional_t<std::is_lvalue_reference_v<std::iter_reference_t<Iterator>>,
                                          std::iter_reference_t<Iterator>, held_value<Iterator>>;

template <class Element>
class received_axis {
 public:
  using elements = list<Element>;
  using value = std::remove_cvref_t<Element>;

  explicit received_axis(received_elements<value> all) noexcept : all_(std::move(all)) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return all_.size(); }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    if constexpr (std::is_reference_v<Element>) return consume(static_cast<Element>(all_[i]));
    else return spread_copy(i, consume);
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    to.add(std::as_const(all_[i]));
  }

 private:
  // By value, as the copy is gone then.
  template <class Consume>
  auto spread_copy(std::uint64_t i, Consume& consume) const {
    return consume(value(std::as_const(all_[i])));
  }

  received_elements<value> all_;
};

// ---- The spaces.

enum class element_obstacle { none, refers, no_codec, no_copy, no_move };

// An obstacle, and the type of the elements that are it.
template <element_obstacle What, class T = void>
struct found_element_obstacle {
  static constexpr element_obstacle what = What;
};

template <class Iterator>
consteval auto find_element_obstacle() {
  using enum element_obstacle;
  using value = held_value<Iterator>;
  using single = std::remove_all_extents_t<value>;
  constexpr obstacle found = decltype(find_obstacle<single>())::what;
  if constexpr (found == obstacle::refers || found == obstacle::field_refers)
    return found_element_obstacle<refers, value>();
  else if constexpr (found != obstacle::none || (std::is_array_v<value> && !plain<single>))
    return found_element_obstacle<no_codec, value>();
  else if constexpr (!std::is_reference_v<handed_element<Iterator>> && !std::copy_constructible<value>)
    return found_element_obstacle<no_copy, value>();
  else if constexpr (!plain_element<value> && !std::move_constructible<value>)
    return found_element_obstacle<no_move, value>();
  else return found_element_obstacle<none>();
}

// The first of those that are found in order that is an obstacle.
template <class... Found>
struct first_element_obstacle {
  using type = found_element_obstacle<element_obstacle::none>;
};
template <class First, class... Rest>
struct first_element_obstacle<First, Rest...> : first_element_obstacle<Rest...> {};
template <class First, class... Rest>
  requires(First::what != element_obstacle::none)
struct first_element_obstacle<First, Rest...> {
  using type = First;
};

template <class Space>
struct sent_space;

// An axis goes as its elements.
template <class Iterator, class Axis>
struct sent_axis {
  using received = received_axis<handed_element<Iterator>>;

  static consteval auto find() { return find_element_obstacle<Iterator>(); }
  static void encode(encoder& out, const Axis& axis) {
    encode_elements<held_value<Iterator>>(out, axis, 0, axis.size());
  }
  static received decode(decoder& in) { return received(received_elements<held_value<Iterator>>(in)); }
};
template <class Iterator, bool Stored>
struct sent_space<indexed_axis<Iterator, Stored>> : sent_axis<Iterator, indexed_axis<Iterator, Stored>> {};
template <class Iterator, bool Stored>
struct sent_space<walked_axis<Iterator, Stored>> : sent_axis<Iterator, walked_axis<Iterator, Stored>> {};

// A named one goes without its name, which only the caller's texts have.
template <class T>
inline constexpr bool is_contiguous<named_axis<T>> = !std::same_as<T, bool>;
template <class T>
using named_iterator = typename std::vector<T>::const_iterator;
template <class T>
struct sent_space<named_axis<T>> : sent_axis<named_iterator<T>, named_axis<T>> {};

// The axis of an iota: of all elements that are stored only its are temporaries; but for bits.
template <class Iterator, bool Stored>
inline constexpr bool counts_up = Stored && std::is_integral_v<std::iter_reference_t<Iterator>> &&
                                  !std::same_as<std::iter_reference_t<Iterator>, bool> &&
                                  sizeof(std::iter_value_t<Iterator>) <= sizeof(std::uint64_t);

// An iota goes as its first element and its size.
template <class Iterator, bool Stored>
  requires counts_up<Iterator, Stored>
struct sent_space<indexed_axis<Iterator, Stored>> {
  using number = std::iter_value_t<Iterator>;
  using numbers = std::ranges::iota_view<number>;
  using received = indexed_axis<std::ranges::iterator_t<numbers>, true>;

  static consteval auto find() { return found_element_obstacle<element_obstacle::none>(); }
  static void encode(encoder& out, const indexed_axis<Iterator, Stored>& axis) {
    out.put(axis.size() > 0 ? axis.spread(0, [](number first) { return first; }) : number());
    out.put(axis.size());
  }
  static received decode(decoder& in) {
    const auto first = in.get<number>();
    const auto size = in.get<std::uint64_t>();
    const std::uint64_t above =  // modulo 2^64, which is right for negative numbers, too
        static_cast<std::uint64_t>(std::numeric_limits<number>::max()) - static_cast<std::uint64_t>(first);
    if (size > 0 && size - 1 > above) throw bad_encoding("an axis counts beyond the greatest number");
    return received(numbers(first).begin(), size, nullptr);
  }
};

// Whether writing a Space takes code of the user: codecs, and ranges that compute their elements.
template <class Space>
inline constexpr bool encodes_by_foreign_code = true;
template <class Iterator, bool Stored>
inline constexpr bool encodes_by_foreign_code<indexed_axis<Iterator, Stored>> =
    !counts_up<Iterator, Stored> &&
    !(plain_element<held_value<Iterator>> && is_contiguous<indexed_axis<Iterator, Stored>>);
template <class T>
inline constexpr bool encodes_by_foreign_code<named_axis<T>> = !plain_element<T>;
template <class... Axes>
inline constexpr bool encodes_by_foreign_code<product_space<Axes...>> = (encodes_by_foreign_code<Axes> || ...);
template <class... Axes>
inline constexpr bool encodes_by_foreign_code<zip_space<Axes...>> = (encodes_by_foreign_code<Axes> || ...);

// A product or zip goes as its axes.
template <template <class...> class Space, class... Axes>
struct sent_axes {
  using received = Space<typename sent_space<Axes>::received...>;

  static consteval auto find() {
    return typename first_element_obstacle<decltype(sent_space<Axes>::find())...>::type();
  }
  static void encode(encoder& out, const Space<Axes...>& space) {
    std::apply([&](const Axes&... each) { (sent_space<Axes>::encode(out, each), ...); }, space.axes());
  }
  static received decode(decoder& in) {
    using axes = std::tuple<typename sent_space<Axes>::received...>;
    axes all{sent_space<Axes>::decode(in)...};  // braces: in order
    try {
      return std::make_from_tuple<received>(std::move(all));
    } catch (const std::logic_error&) {  // too many combinations, or unequal lengths
      throw bad_encoding("the lengths of the axes do not go together");
    }
  }
};
template <class... Axes>
struct sent_space<product_space<Axes...>> : sent_axes<product_space, Axes...> {};
template <class... Axes>
struct sent_space<zip_space<Axes...>> : sent_axes<zip_space, Axes...> {};

// The space that a worker has for a Space of the caller. f can be called with its elements as with the caller's: a
// reference is one to the worker's element; a temporary is a copy, of the range's value type if it is a proxy.
template <class Space>
using received_space = typename sent_space<std::remove_const_t<Space>>::received;

// Whether the elements of all axes can be sent.
template <class Space>
inline constexpr bool can_send_space =
    decltype(sent_space<std::remove_const_t<Space>>::find())::what == element_obstacle::none;

// The same. If they cannot, a static_assert names the remedy, and the type Found shows what is in the way.
template <class Space, class Found = decltype(sent_space<std::remove_const_t<Space>>::find())>
consteval bool check_sent_space() {
  constexpr element_obstacle found = Found::what;
  static_assert(
      found != element_obstacle::refers,
      "parmap: the elements of this axis cannot be sent to a pool's workers: they are pointers, string_views, "
      "spans, iterators or other views, or have one inside, and what these refer to is not in the workers; "
      "let the axis have the values themselves (std::string, std::vector), or use parmap::multi");
  static_assert(
      found != element_obstacle::no_codec,
      "parmap: the elements of this axis cannot be sent to a pool's workers: their type is not trivially "
      "copyable, is not a struct whose fields can all be sent, and has no codec; specialise parmap::codec for "
      "it, let the axis have elements of a type that has one, or use parmap::multi");
  static_assert(found != element_obstacle::no_copy,
                "parmap: the elements of this axis cannot be sent to a pool's workers: the axis makes each when it is "
                "asked for it, a worker would hand out copies, and this type cannot be copied; store the elements in a "
                "container, let f take const&, or use parmap::multi");
  static_assert(found != element_obstacle::no_move,
                "parmap: the elements of this axis cannot be sent to a pool's workers, which could not store them, as "
                "this type cannot be moved; make it movable, or use parmap::multi");
  return found == element_obstacle::none;
}

// Writes the elements of all axes, which can be sent. Reads each once, in order. Throws what an axis, the encoder and
// the codecs of the elements throw.
template <class Space>
void encode_space(encoder& out, const Space& space) {
  sent_space<Space>::encode(out, space);
}
// What encode_space has written. Throws bad_encoding if the bytes are damaged, and what the codecs of the elements
// throw. It refers to none of the bytes.
template <class Space>
[[nodiscard]] received_space<Space> decode_space(decoder& in) {
  return sent_space<std::remove_const_t<Space>>::decode(in);
}

}  // namespace parmap::inline PARMAP_ABI::detail
