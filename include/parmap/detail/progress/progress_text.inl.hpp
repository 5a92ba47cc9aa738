// SPDX-License-Identifier: MIT
// The bodies of progress_text.hpp.
#pragma once

#include <parmap/detail/progress/progress_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string format_clock(std::chrono::nanoseconds time) {
  using namespace std::chrono;
  const auto seconds = std::max<std::int64_t>(0, duration_cast<std::chrono::seconds>(time).count());
  const long long hours = seconds / 3600;
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%lld:%02d:%02d", hours,
                                   static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return {text.data() + (hours == 0 ? 2 : 0), text.data() + length};
}

// Three significant digits below 1000, whole numbers above. Not by printf: the decimal point must not depend on the
// program's locale.
PARMAP_INLINE std::string format_three_digits(double value) {
  const int precision = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::array<char, 400> digits{};
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, precision);
  return error == std::errc{} ? std::string(digits.data(), end) : "?";
}

PARMAP_INLINE std::string format_rate(double tasks_per_second) {
  if (!(tasks_per_second > 0) || tasks_per_second > std::numeric_limits<double>::max()) return "?it/s";
  const double seconds = 1 / tasks_per_second;
  if (seconds > 1) return format_three_digits(seconds) + "s/it";
  constexpr std::array prefixes{"", "k", "M", "G", "T", "P"};
  std::size_t i = 0;
  for (; i + 1 < prefixes.size() && tasks_per_second >= 999.5; ++i) tasks_per_second /= 1000;
  return format_three_digits(tasks_per_second) + prefixes[i] + "it/s";
}

// The share of `done` in `total` as a number of steps, rounded down: all steps only if all is done.
PARMAP_INLINE std::size_t share(std::uint64_t done, std::uint64_t total, std::size_t steps) {
  if (done >= total) return steps;
  const double exact = static_cast<double>(steps) * static_cast<double>(done) / static_cast<double>(total);
  return std::min(static_cast<std::size_t>(exact), steps - 1);
}

PARMAP_INLINE drawn_text format_cells(std::uint64_t done, std::uint64_t total, std::size_t cells, bool unicode) {
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

// The parts of a line, most important first. A part that does not fit is left out.
enum class bar_detail { percent, counts, failed, times, rate };

// " 45%", "450/1000", "[00:12<00:15, 36.1it/s, 2 failed]": up to the named part. `middle` is placed between the
// percentage and the rest.
PARMAP_INLINE drawn_text format_stats(const progress& now, bar_detail most, const drawn_text& middle, bool colour) {
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

PARMAP_INLINE drawn_text format_bar(const progress& now, std::size_t columns, bar_style style) {
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

PARMAP_INLINE drawn_text format_bar(std::string_view label, const progress& now, std::size_t columns, bar_style style) {
  drawn_text line;
  for (const char c : label) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0) == 0x80;  // a character of UTF-8 that has its column
    if (!continues && line.columns + 2 >= columns / 2) break;
    line.text += byte < 0x20 || byte == 0x7f ? ' ' : c;
    line.columns += continues ? 0 : 1;
  }
  if (line.columns > 0) line.add(": ");
  return line.add(format_bar(now, columns - line.columns, style));
}

PARMAP_INLINE std::string format_line(const progress& now) {
  return format_stats(now, bar_detail::rate, drawn_text{}.add(" "), false).text;
}

}  // namespace parmap::inline PARMAP_ABI::detail
