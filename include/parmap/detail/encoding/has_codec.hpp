// SPDX-License-Identifier: MIT
// has_codec: whether a type has a codec.
#pragma once

#include <parmap/detail/config.hpp>

#include <concepts>

namespace parmap::inline PARMAP_ABI {

template <class T>
struct codec;
class encoder;
class decoder;

namespace detail {

template <class T>
concept has_codec = requires(const T& value, encoder& out, decoder& in) {
  codec<T>::encode(out, value);
  { codec<T>::decode(in) } -> std::same_as<T>;
};

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI
