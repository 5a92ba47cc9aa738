// SPDX-License-Identifier: MIT
// What a terminal is asked and told: is it one, how wide, which characters and colours, bytes.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr int standard_error = 2;

/// False also for a closed fd: nothing can be drawn there either.
[[nodiscard]] bool is_terminal(int fd) noexcept;

/// Columns of the terminal fd; where it does not tell (0 is what a fresh pseudo-terminal says), the
/// variable COLUMNS; where that is no number from 1 to 65535, 80. Ask before each drawing: windows
/// change their size.
[[nodiscard]] std::size_t terminal_columns(int fd) noexcept;

/// Whether the locale's variables promise UTF-8: the first of LC_ALL, LC_CTYPE, LANG that is set
/// and not empty decides, as in setlocale, which a library must not call: it changes the program.
[[nodiscard]] bool speaks_utf8();

/// The convention of no-color.org: a NO_COLOR that is set and not empty forbids colour.
[[nodiscard]] bool colour_allowed() noexcept;

/// Writes all of text, going on after signals and partial writes. False as soon as fd takes no more
/// (closed, full, not ready): the rest is dropped and errno says why. SIGPIPE as write(2) sends it.
bool write_all(int fd, std::string_view text) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/terminal.inl.hpp>
#endif
