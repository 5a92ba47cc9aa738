// SPDX-License-Identifier: MIT
// A 64-bit checksum over bytes in memory that a faulty task may overwrite.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace parmap::inline PARMAP_ABI::detail {

// Both halves of the product, combined into one word.
constexpr std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using wide = unsigned __int128;
  const wide product = static_cast<wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Depends on every byte, on their number and on the key. An accidental change, or the right bytes in the wrong place,
// stays undetected with probability 2^-64. It does not protect against someone who recomputes it over other bytes.
inline std::uint64_t checksum(const std::byte* at, std::size_t size, std::uint64_t key) noexcept {
  constexpr std::array<std::uint64_t, 4> odd{0x9e6c'63d0'876a'9a47, 0xc2b2'ae3d'27d4'eb4f, 0xd6e8'feb8'6659'fd93,
                                             0xa076'1d64'78bd'642f};
  const auto word = [](const std::byte* from) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  };
  std::uint64_t state = fold(key ^ odd[0], size ^ odd[1]);
  std::size_t left = size;
  if (left > 64) {  // in independent lanes, which run in parallel
    std::array<std::uint64_t, 4> lanes{state, state ^ odd[1], state ^ odd[2], state ^ odd[3]};
    for (; left > 64; at += 64, left -= 64)
      for (std::size_t i = 0; i < lanes.size(); ++i)
        lanes[i] = fold(word(at + 16 * i) ^ odd[i], word(at + 16 * i + 8) ^ lanes[i]);
    state = fold(lanes[0] ^ odd[0], lanes[1] ^ odd[1]) ^ fold(lanes[2] ^ odd[2], lanes[3] ^ odd[3]);
  }
  for (; left > 16; at += 16, left -= 16) state = fold(word(at) ^ odd[1], word(at + 8) ^ state);
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (left >= 8) {  // the words overlap, so that nothing is read past the end
    a = word(at);
    b = word(at + left - 8);
  } else {
    for (std::size_t i = 0; i < left; ++i) a = a << 8 | std::to_integer<std::uint64_t>(at[i]);
  }
  return fold(a ^ odd[2], b ^ state) ^ fold(state ^ odd[3], odd[0]);
}

}  // namespace parmap::inline PARMAP_ABI::detail
