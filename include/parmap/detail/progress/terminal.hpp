// SPDX-License-Identifier: MIT
// Terminal access: whether it is one, its width, its characters and colours, and writing to it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr int standard_error = 2;

/// Whether fd is a terminal. False also for a closed fd.
[[nodiscard]] bool is_terminal(int fd) noexcept;

/// The columns of the terminal fd. If it does not report them (a fresh pseudo-terminal reports 0): the variable
/// COLUMNS; if that is not a number from 1 to 65535: 80. Call it before each drawing, as windows change their size.
[[nodiscard]] std::size_t terminal_columns(int fd) noexcept;

/// Whether the locale's variables select UTF-8. The first of LC_ALL, LC_CTYPE, LANG that is set and not empty decides,
/// as in setlocale. A library must not call setlocale, as that changes the program.
[[nodiscard]] bool speaks_utf8();

/// The convention of no-color.org: NO_COLOR, if set and not empty, forbids colour.
[[nodiscard]] bool colour_allowed() noexcept;

/// Writes all of text; continues after signals and partial writes. If fd accepts no more (closed, full, not ready),
/// returns false, with errno, and drops the rest. May raise SIGPIPE, as write(2) does.
bool write_all(int fd, std::string_view text) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/terminal.inl.hpp>
#endif
