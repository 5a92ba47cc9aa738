// SPDX-License-Identifier: MIT
// Progress as text, in the style of tqdm: pure functions that need no terminal.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/progress.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

/// What the terminal can show.
struct bar_style {
  bool unicode{};  ///< eighth blocks, else tqdm's ASCII digits
  bool colour{};   ///< failures in red
};

/// Text, and the number of columns it takes on a screen: an escape sequence takes none, a block of three bytes takes
/// one.
struct drawn_text {
  std::string text{};
  std::size_t columns{};

  drawn_text& add(std::string_view ascii) {
    text += ascii;
    columns += ascii.size();
    return *this;
  }
  drawn_text& add(const drawn_text& other) {
    text += other.text;
    columns += other.columns;
    return *this;
  }
};

/// "01:05"; from one hour on "2:01:05". A negative time counts as zero.
[[nodiscard]] std::string format_clock(std::chrono::nanoseconds time);

/// "36.1it/s", "1.20Mit/s"; below one per second "2.50s/it"; unknown (0) "?it/s".
[[nodiscard]] std::string format_rate(double tasks_per_second);

/// The inside of the bar, `cells` columns wide (at least 1).
[[nodiscard]] drawn_text format_cells(std::uint64_t done, std::uint64_t total, std::size_t cells, bool unicode);

/// One line for a terminal, never wider than `columns`:
///     ` 45%|####5     | 450/1000 [00:12<00:15, 36.1it/s, 2 failed]`
/// The bar gets the columns that the numbers leave. If these are fewer than 4 cells, the bar is dropped first, then
/// rate, times, failures and counts. If even the percentage does not fit, the line is empty.
[[nodiscard]] drawn_text format_bar(const progress& now, std::size_t columns, bar_style style);
/// With "label: " before it, cut to half of the columns.
[[nodiscard]] drawn_text format_bar(std::string_view label, const progress& now, std::size_t columns, bar_style style);

/// One line for a log, without bar, colour or newline: ` 45% 450/1000 [00:12<00:15, 36.1it/s]`.
[[nodiscard]] std::string format_line(const progress& now);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/progress_text.inl.hpp>
#endif
