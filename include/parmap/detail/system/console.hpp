// SPDX-License-Identifier: MIT
// A console, or whatever a standard stream is: whether it is a terminal, its width, what it shows, and writing to it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr int standard_error = 2;

// Whether fd is a terminal. False also for a closed fd. On Windows only 0, 1 and 2 can be one.
[[nodiscard]] bool is_terminal(int fd) noexcept;

// The columns of the terminal fd; 0 if it does not report them, as a fresh pseudo-terminal.
[[nodiscard]] std::size_t reported_columns(int fd) noexcept;

// Whether the console takes UTF-8, where that is a property of it and not of the locale.
[[nodiscard]] bool console_takes_utf8() noexcept;

// Makes the terminal fd obey escape sequences, where it does not by itself; whether it does.
[[nodiscard]] bool takes_escape_sequences(int fd) noexcept;

// Writes all of text; continues after signals and partial writes. If fd accepts no more (closed, full, not ready),
// returns false and drops the rest. May raise SIGPIPE, as write(2) does.
bool write_all(int fd, std::string_view text) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/console.inl.hpp>
#endif
