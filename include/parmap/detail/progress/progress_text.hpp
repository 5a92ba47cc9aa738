// SPDX-License-Identifier: MIT
// How progress looks as text, after tqdm: pure functions, no terminal needed.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

namespace parmap::detail {

/// What the place a bar is drawn on can show.
struct bar_style {
  bool unicode{};  ///< eighth blocks, else tqdm's ASCII digits
  bool colour{};   ///< failures in red
};

/// Text and the columns it takes on a screen: escapes take none, a block of three bytes takes one.
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

/// "01:05", from an hour on "2:01:05". Below zero counts as zero.
[[nodiscard]] inline std::string format_clock(std::chrono::nanoseconds time) {
  using namespace std::chrono;
  const auto seconds = std::max<std::int64_t>(0, duration_cast<std::chrono::seconds>(time).count());
  const long long hours = seconds / 3600;
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%lld:%02d:%02d", hours,
                                   static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return {text.data() + (hours == 0 ? 2 : 0), text.data() + length};
}

/// Three significant digits below 1000, whole numbers above. Not printf: the decimal point must not
/// follow the program's locale.
[[nodiscard]] inline std::string format_three_digits(double value) {
  const int precision = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::array<char, 400> digits{};
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, precision);
  return error == std::errc{} ? std::string(digits.data(), end) : "?";
}

/// "36.1it/s", "1.20Mit/s"; slower than one a second "2.50s/it"; unknown (0) "?it/s".
[[nodiscard]] inline std::string format_rate(double tasks_per_second) {
  if (!(tasks_per_second > 0) || tasks_per_second > std::numeric_limits<double>::max()) return "?it/s";
  const double seconds = 1 / tasks_per_second;
  if (seconds > 1) return format_three_digits(seconds) + "s/it";
  constexpr std::array prefixes{"", "k", "M", "G", "T", "P"};
  std::size_t i = 0;
  for (; i + 1 < prefixes.size() && tasks_per_second >= 999.5; ++i) tasks_per_second /= 1000;
  return format_three_digits(tasks_per_second) + prefixes[i] + "it/s";
}

/// done of total in steps, rounded down: steps itself is kept for a work that is done.
[[nodiscard]] inline std::size_t share(std::uint64_t done, std::uint64_t total, std::size_t steps) {
  if (done >= total) return steps;
  const double exact = static_cast<double>(steps) * static_cast<double>(done) / static_cast<double>(total);
  return std::min(static_cast<std::size_t>(exact), steps - 1);
}

/// The inside of the bar, `cells` columns wide (at least 1).
[[nodiscard]] inline drawn_text format_cells(std::uint64_t done, std::uint64_t total, std::size_t cells, bool unicode) {
  static constexpr std::array<std::string_view, 11> digits{" ", "1", "2", "3", "4", "5", "6", "7", "8", "9", "#"};
  static constexpr std::array<std::string_view, 9> blocks{" ",      "\u258f", "\u258e", "\u258d", "\u258c",
                                                          "\u258b", "\u258a", "\u2589", "\u2588"};
  const std::string_view* symbols = unicode ? blocks.data() : digits.data();
  const std::size_t full = (unicode ? blocks.size() : digits.size()) - 1;
  const std::size_t filled = share(done, total, cells * full);
  drawn_text bar;
  for (std::size_t i = 0; i < cells; ++i) bar.text += symbols[std::min(full, filled - std::min(filled, i * full))];
  bar.columns = cells;
  return bar;
}

/// The parts of a line, most important first: what does not fit is left out.
enum class bar_detail { percent, counts, failed, times, rate };

/// " 45%", "450/1000", "[00:12<00:15, 36.1it/s, 2 failed]": up to the named part. `middle` stands
/// between the percentage and the rest. (A template only because bar.hpp comes before progress.)
template <class Progress>
[[nodiscard]] drawn_text format_stats(const Progress& now, bar_detail most, const drawn_text& middle, bool colour) {
  const std::string percent = std::to_string(share(now.done(), now.total, 100));
  drawn_text line;
  line.add(std::string(3 - percent.size(), ' ')).add(percent).add("%");
  if (most == bar_detail::percent) return line;
  line.add(middle).add(std::to_string(now.done())).add("/").add(std::to_string(now.total));

  drawn_text inside;
  if (most >= bar_detail::times)
    inside.add(format_clock(now.elapsed)).add("<").add(now.remaining ? format_clock(*now.remaining) : "?");
  if (most >= bar_detail::rate) inside.add(", ").add(format_rate(now.rate));
  if (most >= bar_detail::failed && now.failed > 0) {
    if (inside.columns > 0) inside.add(", ");
    if (colour) inside.text += "\x1b[31m";
    inside.add(std::to_string(now.failed)).add(" failed");
    if (colour) inside.text += "\x1b[0m";
  }
  if (inside.columns > 0) line.add(" [").add(inside).add("]");
  return line;
}

/// One line for a terminal, never wider than `columns`:
///     ` 45%|####5     | 450/1000 [00:12<00:15, 36.1it/s, 2 failed]`
/// The bar takes what the numbers leave. Where that is less than 4 cells it goes first, then rate,
/// times, failures and counts; where not even the percentage fits, nothing is left.
template <class Progress>
[[nodiscard]] drawn_text format_bar(const Progress& now, std::size_t columns, bar_style style) {
  constexpr std::size_t fewest_cells = 4;
  const std::size_t around = format_stats(now, bar_detail::rate, drawn_text{}.add("|| "), style.colour).columns;
  if (columns >= around + fewest_cells) {
    drawn_text middle;
    middle.add("|").add(format_cells(now.done(), now.total, columns - around, style.unicode)).add("| ");
    return format_stats(now, bar_detail::rate, middle, style.colour);
  }
  for (const bar_detail most :
       {bar_detail::rate, bar_detail::times, bar_detail::failed, bar_detail::counts, bar_detail::percent}) {
    drawn_text line = format_stats(now, most, drawn_text{}.add(" "), style.colour);
    if (line.columns <= columns) return line;
  }
  return {};
}

/// One line for a log, without bar, colour or newline: ` 45% 450/1000 [00:12<00:15, 36.1it/s]`.
template <class Progress>
[[nodiscard]] std::string format_line(const Progress& now) {
  return format_stats(now, bar_detail::rate, drawn_text{}.add(" "), false).text;
}

}  // namespace parmap::detail
