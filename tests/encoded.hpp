// SPDX-License-Identifier: MIT
// Encodes a value with its codec into bytes, and decodes it from them.
#pragma once

#include <parmap/codec.hpp>

#include <cstddef>
#include <vector>

// Throws std::bad_alloc if the value needs more than `most` bytes.
template <class T>
std::vector<std::byte> encoded(const T& value, std::size_t most = 1 << 16) {
  std::vector<std::byte> room(most);
  parmap::detail::byte_writer bytes(room.data(), room.data() + room.size());
  parmap::encoder(bytes).put(value);
  room.resize(bytes.written());
  return room;
}
template <class T>
T decoded(const std::byte* from, std::size_t size) {
  parmap::detail::byte_reader bytes(from, size);
  T value = parmap::decoder(bytes).get<T>();
  bytes.expect_end();
  return value;
}
