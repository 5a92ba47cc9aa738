// SPDX-License-Identifier: MIT
// What a terminal shows: its width, its characters and colours.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/console.hpp>

#include <cstddef>

namespace parmap::inline PARMAP_ABI::detail {

/// The columns of the terminal fd. If it does not report them (a fresh pseudo-terminal reports 0): the variable
/// COLUMNS; if that is not a number from 1 to 65535: 80. Call it before each drawing, as windows change their size.
[[nodiscard]] std::size_t terminal_columns(int fd) noexcept;

/// Whether the locale's variables select UTF-8. The first of LC_ALL, LC_CTYPE, LANG that is set and not empty decides,
/// as in setlocale; on Windows, where usually none is set, else the console. A library must not call setlocale, as that
/// changes the program.
[[nodiscard]] bool speaks_utf8();

/// The convention of no-color.org: NO_COLOR, if set and not empty, forbids colour; and the terminal must know it.
[[nodiscard]] bool colour_allowed() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/terminal.inl.hpp>
#endif
