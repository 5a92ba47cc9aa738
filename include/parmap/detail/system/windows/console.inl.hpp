// SPDX-License-Identifier: MIT
// The bodies of console.hpp on Windows. Not by the descriptors of the C library, which ends a program that names one
// that is closed.
#pragma once

#include <parmap/detail/system/console.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

#include <algorithm>

namespace parmap::inline PARMAP_ABI::detail {

// Null if fd is no standard stream, or if this program has none.
PARMAP_INLINE HANDLE standard_handle(int fd) noexcept {
  HANDLE found = nullptr;
  if (fd == 0) found = ::GetStdHandle(STD_INPUT_HANDLE);
  else if (fd == 1) found = ::GetStdHandle(STD_OUTPUT_HANDLE);
  else if (fd == standard_error) found = ::GetStdHandle(STD_ERROR_HANDLE);
  return found == INVALID_HANDLE_VALUE ? nullptr : found;
}

PARMAP_INLINE bool is_terminal(int fd) noexcept {
  const HANDLE stream = standard_handle(fd);
  DWORD mode{};
  return stream != nullptr && ::GetConsoleMode(stream, &mode) != 0;
}

PARMAP_INLINE std::size_t reported_columns(int fd) noexcept {
  const HANDLE stream = standard_handle(fd);
  CONSOLE_SCREEN_BUFFER_INFO about{};
  if (stream == nullptr || ::GetConsoleScreenBufferInfo(stream, &about) == 0) return 0;
  return static_cast<std::size_t>(std::max(0, about.srWindow.Right - about.srWindow.Left + 1));
}

PARMAP_INLINE bool console_takes_utf8() noexcept { return ::GetConsoleOutputCP() == CP_UTF8; }

PARMAP_INLINE bool takes_escape_sequences(int fd) noexcept {
  constexpr DWORD obeys = 0x0004;  // ENABLE_VIRTUAL_TERMINAL_PROCESSING, of Windows 10
  const HANDLE stream = standard_handle(fd);
  DWORD mode{};
  if (stream == nullptr || ::GetConsoleMode(stream, &mode) == 0) return false;
  return (mode & obeys) != 0 || ::SetConsoleMode(stream, mode | obeys) != 0;
}

PARMAP_INLINE bool write_all(int fd, std::string_view text) noexcept {
  const HANDLE stream = standard_handle(fd);
  constexpr std::size_t most = 1 << 20;
  while (!text.empty()) {
    DWORD written{};
    const auto size = static_cast<DWORD>(std::min(text.size(), most));
    if (stream == nullptr || ::WriteFile(stream, text.data(), size, &written, nullptr) == 0) return false;
    text.remove_prefix(written);
  }
  return true;
}

}  // namespace parmap::inline PARMAP_ABI::detail
