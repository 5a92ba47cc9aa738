// SPDX-License-Identifier: MIT
// Whether there is a codec for a type.
#pragma once

#include <concepts>

namespace parmap {

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
}  // namespace parmap
