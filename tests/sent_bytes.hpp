// SPDX-License-Identifier: MIT
// Functions and spaces as the bytes that a pool's workers are sent, right or damaged.
#pragma once

#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/encoding.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>
#include <vector>

using bytes = std::vector<std::byte>;

template <class Encode>
bytes written_by(const Encode& encode) {
  bytes room(1 << 16);
  parmap::detail::byte_writer to(room.data(), room.data() + room.size());
  parmap::encoder out(to);
  encode(out);
  room.resize(to.written());
  return room;
}
// Reads what `decode` reads, which must be all.
template <class Decode>
auto read_from(const bytes& from, const Decode& decode) {
  const bytes exact(from);  // so that a sanitizer sees its end
  parmap::detail::byte_reader reader(exact.data(), exact.size());
  parmap::decoder in(reader);
  auto it = decode(in);
  reader.expect_end();
  return it;
}

template <class F>
bytes sent(const F& f) {
  return written_by([&](parmap::encoder& out) { parmap::detail::encode_function(out, f); });
}
template <class F>
std::decay_t<F> received(const bytes& from) {
  return read_from(from, [](parmap::decoder& in) { return parmap::detail::decode_function<F>(in); });
}
template <class F>
std::decay_t<F> sent_and_received(const F& f) {
  static_assert(parmap::detail::check_sent_function<F>());
  return received<F>(sent(f));
}

template <class Space>
bytes sent_space(const Space& space) {
  return written_by([&](parmap::encoder& out) { parmap::detail::encode_space(out, space); });
}
template <class Space>
parmap::detail::received_space<Space> received_as(const bytes& from) {
  return read_from(from, [](parmap::decoder& in) { return parmap::detail::decode_space<Space>(in); });
}

// Every prefix of the bytes throws; so does a wrong byte, or it makes another value.
template <class Receive>
void damage(const bytes& right, const Receive& receive) {
  for (std::size_t n = 0; n < right.size(); ++n)
    EXPECT_THROW(receive(bytes(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(n))), parmap::bad_encoding)
        << n;
  for (std::size_t at = 0; at < right.size(); ++at)
    for (const unsigned flipped : {0x01U, 0x02U, 0x10U, 0x80U, 0xffU}) {
      bytes wrong = right;
      wrong[at] ^= static_cast<std::byte>(flipped);
      try {
        receive(wrong);
      } catch (const parmap::bad_encoding&) {  // NOLINT(bugprone-empty-catch): either will do
      }
    }
}
