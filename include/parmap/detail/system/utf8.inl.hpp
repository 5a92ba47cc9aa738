// SPDX-License-Identifier: MIT
// The bodies of utf8.hpp.
#pragma once

#include <parmap/detail/system/utf8.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::size_t length_of_character(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t k) { return at + k < text.size() ? static_cast<unsigned char>(text[at + k]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (std::size_t k = 1; k < length; ++k)
    if ((byte(k) & 0xc0) != 0x80) return 0;
  const unsigned second = byte(1);  // overlong forms, surrogates, and what lies above U+10FFFF
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
      (first == 0xf4 && second > 0x8f))
    return 0;
  return length;
}

PARMAP_INLINE bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = length_of_character(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

PARMAP_INLINE std::uint32_t take_character(std::string_view& text) noexcept {
  const auto byte = [&](std::size_t k) { return std::uint32_t{static_cast<unsigned char>(text[k])}; };
  const std::size_t length = length_of_character(text, 0);
  std::uint32_t character = length == 1 ? byte(0) : byte(0) & (0x7fU >> length);
  for (std::size_t k = 1; k < length; ++k) character = character << 6 | (byte(k) & 0x3f);
  text.remove_prefix(length);
  return character;
}

PARMAP_INLINE void append_character(std::string& to, std::uint32_t character) {
  const auto add = [&to](std::uint32_t byte) { to += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (character < 0x80) return add(character);
  if (character < 0x800) {
    add(0xc0 | character >> 6);
  } else {
    if (character < 0x10000) {
      add(0xe0 | character >> 12);
    } else {
      add(0xf0 | character >> 18);
      add(0x80 | (character >> 12 & 0x3f));
    }
    add(0x80 | (character >> 6 & 0x3f));
  }
  add(0x80 | (character & 0x3f));
}

}  // namespace parmap::inline PARMAP_ABI::detail
