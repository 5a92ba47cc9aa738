// SPDX-License-Identifier: MIT
// What a terminal is asked and told: is it one, how wide, which characters and colours, bytes.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace parmap::detail {

inline constexpr int standard_error = STDERR_FILENO;

/// False also for a closed fd: nothing can be drawn there either.
[[nodiscard]] inline bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

/// Columns of the terminal fd; where it does not tell (0 is what a fresh pseudo-terminal says), the
/// variable COLUMNS; where that is no number from 1 to 65535, 80. Ask before each drawing: windows
/// change their size.
[[nodiscard]] inline std::size_t terminal_columns(int fd) noexcept {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* text = std::getenv("COLUMNS")) {
    const std::string_view columns{text};
    unsigned short n{};
    const auto [end, error] = std::from_chars(columns.data(), columns.data() + columns.size(), n);
    if (error == std::errc{} && end == columns.data() + columns.size() && n > 0) return n;
  }
  return 80;
}

/// Whether the locale's variables promise UTF-8: the first of LC_ALL, LC_CTYPE, LANG that is set
/// and not empty decides, as in setlocale, which a library must not call: it changes the program.
[[nodiscard]] inline bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string lower{value};
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

/// The convention of no-color.org: a NO_COLOR that is set and not empty forbids colour.
[[nodiscard]] inline bool colour_allowed() noexcept {
  const char* forbidden = std::getenv("NO_COLOR");
  return forbidden == nullptr || *forbidden == '\0';
}

/// Writes all of text, going on after signals and partial writes. False as soon as fd takes no more
/// (closed, full, not ready): the rest is dropped and errno says why. SIGPIPE as write(2) sends it.
inline bool write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace parmap::detail
