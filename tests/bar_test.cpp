// SPDX-License-Identifier: MIT
// The text of progress: the bar, the line, the rate and the clock.
#include <parmap/detail/progress/progress_text.hpp>
#include <parmap/progress.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::progress;
using parmap::detail::format_bar;
using parmap::detail::format_cells;
using parmap::detail::format_clock;
using parmap::detail::format_line;
using parmap::detail::format_rate;

progress sample_progress() {
  return {.total = 1000, .completed = 448, .failed = 2, .elapsed = 12s, .rate = 36.1, .remaining = 15200ms};
}

TEST(bar, clock) {
  EXPECT_EQ(format_clock(0s), "00:00");
  EXPECT_EQ(format_clock(999ms), "00:00");
  EXPECT_EQ(format_clock(65s), "01:05");
  EXPECT_EQ(format_clock(59min + 59s), "59:59");
  EXPECT_EQ(format_clock(1h), "1:00:00");
  EXPECT_EQ(format_clock(100h + 2min + 3s), "100:02:03");
  EXPECT_EQ(format_clock(-5s), "00:00");
}

TEST(bar, label) {
  const auto now = sample_progress();
  const auto plain = format_bar("", now, 80, {});
  EXPECT_EQ(plain.text, format_bar(now, 80, {}).text);
  const auto named = format_bar("mu \xc3\xa9\n", now, 80, {});
  EXPECT_EQ(named.text.rfind("mu \xc3\xa9 :  45%|", 0), 0U) << named.text;
  EXPECT_EQ(named.columns, 80U);
  for (std::size_t columns = 0; columns < 100; ++columns)
    EXPECT_LE(format_bar(std::string(200, 'x'), now, columns, {}).columns, columns);
}

TEST(bar, rate) {
  EXPECT_EQ(format_rate(0), "?it/s");
  EXPECT_EQ(format_rate(-1), "?it/s");
  EXPECT_EQ(format_rate(std::nan("")), "?it/s");
  EXPECT_EQ(format_rate(1), "1.00it/s");
  EXPECT_EQ(format_rate(9.994), "9.99it/s");
  EXPECT_EQ(format_rate(9.996), "10.0it/s");
  EXPECT_EQ(format_rate(36.1), "36.1it/s");
  EXPECT_EQ(format_rate(99.96), "100it/s");
  EXPECT_EQ(format_rate(999.4), "999it/s");
  EXPECT_EQ(format_rate(999.6), "1.00kit/s");
  EXPECT_EQ(format_rate(12345), "12.3kit/s");
  EXPECT_EQ(format_rate(2e8), "200Mit/s");
  EXPECT_EQ(format_rate(3e18), "3000Pit/s");
  EXPECT_EQ(format_rate(0.8), "1.25s/it");
  EXPECT_EQ(format_rate(0.4), "2.50s/it");
  EXPECT_EQ(format_rate(1. / 3600), "3600s/it");
}

TEST(bar, cells) {
  EXPECT_EQ(format_cells(0, 100, 10, false).text, "          ");
  EXPECT_EQ(format_cells(45, 100, 10, false).text, "####5     ");
  EXPECT_EQ(format_cells(100, 100, 10, false).text, "##########");
  EXPECT_EQ(format_cells(999999, 1000000, 10, false).text, "#########9");
  EXPECT_EQ(format_cells(0, 0, 3, false).text, "###");
  EXPECT_EQ(format_cells(7, 5, 3, false).text, "###");
  EXPECT_EQ(format_cells(3, 16, 2, true).text, "\u258d ");
  EXPECT_EQ(format_cells(9, 16, 2, true).text, "\u2588\u258f");
  EXPECT_EQ(format_cells(16, 16, 2, true).text, "\u2588\u2588");
  EXPECT_EQ(format_cells(9, 16, 2, true).columns, 2);
  constexpr std::uint64_t all = ~std::uint64_t{};
  EXPECT_EQ(format_cells(all - 1, all, 4, false).text, "###9");
}

TEST(bar, line) {
  const progress p = sample_progress();
  const auto line = format_bar(p, 59, {});
  EXPECT_EQ(line.text, " 45%|####5     | 450/1000 [00:12<00:15, 36.1it/s, 2 failed]");
  EXPECT_EQ(line.columns, 59);
  EXPECT_EQ(format_bar(p, 59, {.unicode = true, .colour = true}).text,
            " 45%|\u2588\u2588\u2588\u2588\u258c     | 450/1000 [00:12<00:15, 36.1it/s, "
            "\x1b[31m2 failed\x1b[0m]");
  EXPECT_EQ(format_line(p), " 45% 450/1000 [00:12<00:15, 36.1it/s, 2 failed]");
  EXPECT_EQ(format_line(progress{.total = 3}), "  0% 0/3 [00:00<?, ?it/s]");
  EXPECT_EQ(format_line(progress{}), "100% 0/0 [00:00<?, ?it/s]");
}

TEST(bar, hundred_percent_means_done) {
  EXPECT_EQ(format_line(progress{.total = 1000, .completed = 999}).substr(0, 4), " 99%");
  EXPECT_EQ(format_line(progress{.total = 100, .completed = 29}).substr(0, 4), " 29%");
  EXPECT_EQ(format_line(progress{.total = 7, .completed = 6, .failed = 1}).substr(0, 4), "100%");
}

TEST(bar, narrow_terminals_lose_the_bar_then_the_tail) {
  const progress p = sample_progress();
  const std::vector<std::pair<std::size_t, std::string>> expected{
      {53, " 45%|#8  | 450/1000 [00:12<00:15, 36.1it/s, 2 failed]"},
      {52, " 45% 450/1000 [00:12<00:15, 36.1it/s, 2 failed]"},
      {46, " 45% 450/1000 [00:12<00:15, 2 failed]"},
      {36, " 45% 450/1000 [2 failed]"},
      {23, " 45% 450/1000"},
      {12, " 45%"},
      {3, ""},
      {0, ""}};
  for (const auto& [columns, text] : expected) EXPECT_EQ(format_bar(p, columns, {}).text, text) << columns;
}

TEST(bar, never_wider_than_the_terminal) {
  for (std::size_t columns = 0; columns < 300; ++columns)
    for (const bool unicode : {false, true})
      for (const bool colour : {false, true})
        for (const std::uint64_t failed : {std::uint64_t{0}, std::uint64_t{12}}) {
          progress p = sample_progress();
          p.failed = failed;
          const auto line = format_bar(p, columns, {.unicode = unicode, .colour = colour});
          EXPECT_LE(line.columns, columns);
          if (columns > 60) {
            EXPECT_EQ(line.columns, columns);
          }
          std::size_t seen = 0;
          for (std::size_t i = 0; i < line.text.size(); ++i) {
            if (line.text[i] == '\x1b') i = line.text.find('m', i);
            else if ((static_cast<unsigned char>(line.text[i]) & 0xC0) != 0x80) ++seen;
          }
          EXPECT_EQ(seen, line.columns) << line.text;
        }
}

}  // namespace
