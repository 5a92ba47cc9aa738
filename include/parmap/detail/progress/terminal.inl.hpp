// SPDX-License-Identifier: MIT
// The bodies of terminal.hpp.
#pragma once

#include <parmap/detail/progress/terminal.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::size_t terminal_columns(int fd) noexcept {
  if (const std::size_t reported = reported_columns(fd); reported > 0) return reported;
  if (const char* text = std::getenv("COLUMNS")) {
    const std::string_view columns{text};
    unsigned short n{};
    const auto [end, error] = std::from_chars(columns.data(), columns.data() + columns.size(), n);
    if (error == std::errc{} && end == columns.data() + columns.size() && n > 0) return n;
  }
  return 80;
}

PARMAP_INLINE bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string lower{value};
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return console_takes_utf8();
}

PARMAP_INLINE bool colour_allowed() noexcept {
  const char* forbidden = std::getenv("NO_COLOR");
  return (forbidden == nullptr || *forbidden == '\0') && takes_escape_sequences(standard_error);
}

}  // namespace parmap::inline PARMAP_ABI::detail
