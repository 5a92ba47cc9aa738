// SPDX-License-Identifier: MIT
// The bodies of json_text.hpp.
#pragma once

#include <parmap/detail/system/utf8.hpp>
#include <parmap/detail/traces/json_text.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void add_json(std::string& to, std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  to += '"';
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = length_of_character(text, at);
    if (c == '"' || c == '\\') {
      (to += '\\') += c;
    } else if (c == '\n') {
      to += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      to += "\\u00";
      to += hex[static_cast<unsigned char>(c) >> 4];
      to += hex[static_cast<unsigned char>(c) & 15];
    } else if (length == 0) {
      to += "\xef\xbf\xbd";
    } else {
      to += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  to += '"';
}

PARMAP_INLINE void add_json(std::string& to, std::uint64_t x) {
  std::array<char, 24> digits{};
  to.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr);
}

PARMAP_INLINE void add_json_real(std::string& to, double x, int digits) {
  std::array<char, 400> text{};
  if (!std::isfinite(x)) {
    to += "null";
    return;
  }
  to.append(text.data(),
            std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::fixed, digits).ptr);
}

}  // namespace parmap::inline PARMAP_ABI::detail
