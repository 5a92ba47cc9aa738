// SPDX-License-Identifier: MIT
// sent_inputs: what is sent to a pool's workers of the axes of a map or stream: all of it, or what some tasks need.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/encoding.hpp>
#include <parmap/product.hpp>

#include <cstdint>
#include <tuple>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Elements [b, e) of an axis that has no size, as the worker has them.
template <class Axis>
struct sent_block;

template <class V>
struct sent_block<lazy_axis<V>> {
  using received = received_axis<const V&>;

  static void encode(encoder& out, const lazy_axis<V>& axis, std::uint64_t b, std::uint64_t e) {
    encode_elements<V>(out, axis, b, e - b);
  }
  static received decode(decoder& in) { return received(received_elements<V>(in)); }
};

template <class... V>
struct sent_block<lazy_zip<V...>> {
  using received = zip_space<received_axis<const V&>...>;

  static void encode(encoder& out, const lazy_zip<V...>& axis, std::uint64_t b, std::uint64_t e) {
    encode_columns(out, axis, b, e, std::index_sequence_for<V...>());
  }
  static received decode(decoder& in) {
    return std::make_from_tuple<received>(
        std::tuple<received_axis<const V&>...>{received_axis<const V&>(received_elements<V>(in))...});
  }

 private:
  template <std::size_t... K>
  static void encode_columns(encoder& out, const lazy_zip<V...>& axis, std::uint64_t b, std::uint64_t e,
                             std::index_sequence<K...>) {
    const auto column = [&]<std::size_t At>(std::integral_constant<std::size_t, At>) {
      using value = std::tuple_element_t<At, std::tuple<V...>>;
      out.put(e - b);
      for (std::uint64_t i = b; i < e; ++i)
        axis.spread(i, [&out](const V&... each) { encode_element<value>(out, std::get<At>(std::tie(each...))); });
    };
    (column(std::integral_constant<std::size_t, K>()), ...);
  }
};

template <class Iterator, bool Stored>
struct sent_block<endless_axis<Iterator, Stored>> {
  using received = received_axis<handed_element<Iterator>>;

  static void encode(encoder& out, const endless_axis<Iterator, Stored>& axis, std::uint64_t b, std::uint64_t e) {
    out.put(e - b);
    for (std::uint64_t i = b; i < e; ++i)
      axis.spread(i, [&out](auto&& element) {
        encode_element<held_value<Iterator>>(out, std::forward<decltype(element)>(element));
      });
  }
  static received decode(decoder& in) { return received(received_elements<held_value<Iterator>>(in)); }
};

// The inputs of tasks [b, e) of a space, and the first task of which there are inputs.
template <class Space>
struct sent_inputs {
  using received = received_space<Space>;

  static void encode(encoder& out, const Space& space, std::uint64_t b, std::uint64_t) {
    out.put(b);
    encode_space(out, space);
  }
  static received decode(decoder& in) { return decode_space<Space>(in); }
};

template <class Space>
  requires is_unbounded<Space>
struct sent_inputs<Space> {
  using received = typename sent_block<Space>::received;

  static void encode(encoder& out, const Space& space, std::uint64_t b, std::uint64_t e) {
    out.put(b);
    sent_block<Space>::encode(out, space, b, e);
  }
  static received decode(decoder& in) { return sent_block<Space>::decode(in); }
};

template <class First, class Rest>
struct sent_inputs<unbounded_product<First, Rest>> {
  using received = product_space<typename sent_block<First>::received, received_space<Rest>>;

  static void encode(encoder& out, const unbounded_product<First, Rest>& space, std::uint64_t b, std::uint64_t e) {
    const std::uint64_t of_one = space.rest().size();
    const std::uint64_t first = b / of_one;
    out.put(first * of_one);
    sent_block<First>::encode(out, space.first(), first, (e - 1) / of_one + 1);
    encode_space(out, space.rest());
  }
  static received decode(decoder& in) {
    auto first = sent_block<First>::decode(in);
    return received(std::move(first), decode_space<Rest>(in));
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail
