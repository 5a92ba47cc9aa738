// SPDX-License-Identifier: MIT
// The bodies of console.hpp on Linux and macOS.
#pragma once

#include <parmap/detail/system/console.hpp>

#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

PARMAP_INLINE std::size_t reported_columns(int fd) noexcept {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

PARMAP_INLINE bool console_takes_utf8() noexcept { return false; }

PARMAP_INLINE bool takes_escape_sequences(int /*fd*/) noexcept { return true; }

PARMAP_INLINE bool write_all(int fd, std::string_view text) noexcept {
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

}  // namespace parmap::inline PARMAP_ABI::detail
