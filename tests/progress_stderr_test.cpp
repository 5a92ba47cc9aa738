// SPDX-License-Identifier: MIT
// Progress on stderr: a terminal, a file, nothing at all. Time is passed in by hand: no test waits.
#include "pseudo_terminal.hpp"

#include <parmap/detail/progress/progress_meter.hpp>
#include <parmap/detail/progress/terminal.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::progress;
using parmap::report;
using parmap::reporter;
using parmap::detail::progress_meter;
using namespace parmap_test;

const progress_meter::clock::time_point start = progress_meter::clock::time_point{} + 1000h;
constexpr auto never = std::chrono::nanoseconds::max();

TEST(progress_terminal, utf8_by_the_first_variable_that_is_set) {
  const auto speaks = [](const char* all, const char* type, const char* lang) {
    const variable a("LC_ALL", all), b("LC_CTYPE", type), c("LANG", lang);
    return parmap::detail::speaks_utf8();
  };
  EXPECT_FALSE(speaks(nullptr, nullptr, nullptr));
  EXPECT_TRUE(speaks(nullptr, nullptr, "en_US.UTF-8"));
  EXPECT_TRUE(speaks("", "", "C.utf8"));
  EXPECT_FALSE(speaks("C", nullptr, "en_US.UTF-8"));
  EXPECT_FALSE(speaks(nullptr, "POSIX", "en_US.UTF-8"));
  EXPECT_TRUE(speaks(nullptr, "de_DE.utf-8@euro", "C"));
}

TEST(progress_terminal, columns) {
  const pipe_channel none;
  terminal tty(123);
  const variable columns("COLUMNS", "66");
  EXPECT_EQ(parmap::detail::terminal_columns(tty.in), 123);
  tty.resize(0);
  EXPECT_EQ(parmap::detail::terminal_columns(tty.in), 66);
  EXPECT_EQ(parmap::detail::terminal_columns(none.in), 66);
  for (const char* bad : {"", "0", "-3", "12x", "99999999999"}) {
    const variable worse("COLUMNS", bad);
    EXPECT_EQ(parmap::detail::terminal_columns(none.in), 80) << bad;
  }
  EXPECT_TRUE(parmap::detail::is_terminal(tty.in));
  EXPECT_FALSE(parmap::detail::is_terminal(none.in));
  EXPECT_FALSE(parmap::detail::is_terminal(-1));
}

TEST(progress_terminal, write_all_tells_when_nothing_more_fits) {
  pipe_channel full;
  check(::fcntl(full.in, F_SETFL, O_NONBLOCK) == 0, "fcntl");
  EXPECT_FALSE(parmap::detail::write_all(full.in, std::string(10'000'000, 'x')));
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(parmap::detail::write_all(-1, "x"));
  EXPECT_EQ(errno, EBADF);
  EXPECT_TRUE(parmap::detail::write_all(-1, ""));
}

/// What a work of `length` that reports every 50 ms leaves on `to`.
std::string run(report kind, channel& to, std::chrono::milliseconds length, std::uint64_t failed = 0) {
  const reporter how = kind;
  {
    const stderr_to redirected(to.in);
    progress_meter shown(how, 1000, start);
    for (auto t = 50ms; t < length; t += 50ms)
      shown.update(start + t, static_cast<std::uint64_t>(1000 * t / length), 0);
    shown.finish(start + length, 1000 - failed, failed);
  }
  return to.written();
}

class progress_on_a_terminal : public testing::Test {
 protected:
  variable all_{"LC_ALL", "C"};
  variable colour_{"NO_COLOR", nullptr};
};

TEST_F(progress_on_a_terminal, automatic_draws_a_bar_after_half_a_second) {
  terminal tty(60);
  const std::string bytes = run(report::automatic, tty, 2s);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), '\n'), 1);
  EXPECT_TRUE(bytes.starts_with("\r 25%|")) << bytes;
  EXPECT_TRUE(bytes.ends_with("\n"));
  EXPECT_EQ(screen(bytes),
            (std::vector<std::string>{"100%|####################| 1000/1000 [00:02<00:00, 500it/s]", ""}));
}

TEST_F(progress_on_a_terminal, automatic_is_silent_below_half_a_second) {
  terminal tty(60);
  EXPECT_EQ(run(report::automatic, tty, 499ms), "");
  EXPECT_NE(run(report::automatic, tty, 500ms), "");
}

TEST_F(progress_on_a_terminal, automatic_shows_a_long_work_that_never_reported) {
  terminal tty(60);
  const reporter how;
  {
    const stderr_to redirected(tty.in);
    progress_meter shown(how, 1, start);
    EXPECT_EQ(shown.wait(start), 500ms);
    shown.finish(start + 20s, 1, 0);
  }
  EXPECT_EQ(screen(tty.written()).at(0), "100%|#########################| 1/1 [00:20<00:00, 20.0s/it]");
}

TEST_F(progress_on_a_terminal, bar_is_drawn_at_most_every_tenth_of_a_second) {
  terminal tty(60);
  const std::string bytes = run(report::bar, tty, 1s);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), '|'), 2 * (9 + 1));
  terminal other(60);
  EXPECT_EQ(screen(run(report::bar, other, 1ms)).at(0).substr(0, 5), "100%|");
}

TEST_F(progress_on_a_terminal, a_shorter_line_erases_the_longer) {
  terminal tty(45);
  const reporter how = report::bar;
  {
    const stderr_to redirected(tty.in);
    progress_meter shown(how, 1000, start);
    shown.update(start + 2h, 100, 0);
    shown.finish(start + 3h, 1000, 0);
  }
  const std::string bytes = tty.written();
  const std::string longer = "\r 10% 100/1000 [2:00:00<18:00:00, 72.0s/it]";
  ASSERT_TRUE(bytes.starts_with(longer)) << bytes;
  EXPECT_EQ(screen(bytes).at(0), "100% 1000/1000 [3:00:00<00:00, 10.8s/it]");
}

TEST_F(progress_on_a_terminal, the_line_follows_the_width_and_never_wraps) {
  const reporter how = report::bar;
  terminal tty(0);
  const stderr_to redirected(tty.in);
  progress_meter shown(how, 1000, start);
  auto now = start;
  std::size_t before = 0;
  for (unsigned short columns = 100; columns > 0; --columns) {
    tty.resize(columns);
    shown.update(now += 1s, 500, 7);
    const std::string bytes = tty.written();
    EXPECT_LT(screen(std::string_view(bytes).substr(before)).at(0).size(), columns);
    before = bytes.size();
  }
}

TEST_F(progress_on_a_terminal, the_failed_part_is_red_unless_NO_COLOR) {
  terminal tty(80);
  EXPECT_NE(run(report::bar, tty, 1s, 3).find("\x1b[31m3 failed\x1b[0m]"), std::string::npos);
  terminal plain(80);
  const variable colour("NO_COLOR", "1");
  const std::string bytes = run(report::bar, plain, 1s, 3);
  EXPECT_EQ(bytes.find('\x1b'), std::string::npos);
  EXPECT_NE(bytes.find(", 3 failed]"), std::string::npos);
  const variable empty("NO_COLOR", "");
  terminal again(80);
  EXPECT_NE(run(report::bar, again, 1s, 3).find("\x1b[31m"), std::string::npos);
}

TEST_F(progress_on_a_terminal, a_line_behind_the_bar_counts_the_failures) {
  terminal tty(60);
  EXPECT_EQ(screen(run(report::bar, tty, 2s, 3)).at(1), "1000 tasks in 2.0 s: 997 ok, 3 failed");
}

TEST_F(progress_on_a_terminal, unicode_where_the_locale_has_it) {
  const variable all("LC_ALL", "C.UTF-8");
  terminal tty(60);
  const std::string line = screen(run(report::bar, tty, 1s)).at(0);
  EXPECT_NE(line.find("\u2588\u2588| 1000/1000"), std::string::npos) << line;
}

TEST_F(progress_on_a_terminal, COLUMNS_where_the_terminal_does_not_tell) {
  terminal tty(0);
  const variable columns("COLUMNS", "50");
  EXPECT_EQ(screen(run(report::bar, tty, 1s)).at(0).size(), 49);
}

TEST_F(progress_on_a_terminal, text_and_silent_draw_no_bar) {
  terminal tty(60), quiet(60);
  EXPECT_EQ(screen(run(report::text, tty, 11s)),
            (std::vector<std::string>{" 90% 909/1000 [00:10<00:01, 90.9it/s]", "100% 1000/1000 [00:11<00:00, 90.9it/s]",
                                      ""}));
  EXPECT_EQ(run(report::silent, quiet, 60s), "");
}

TEST_F(progress_on_a_terminal, an_exception_leaves_the_cursor_on_a_line_of_its_own) {
  terminal tty(60);
  const reporter how = report::bar;
  {
    const stderr_to redirected(tty.in);
    progress_meter shown(how, 1000, start);
    shown.update(start + 1s, 500, 0);
  }
  EXPECT_TRUE(tty.written().ends_with("\n"));
}

TEST(progress_without_a_terminal, automatic_prints_nothing) {
  pipe_channel log;
  EXPECT_EQ(run(report::automatic, log, 60s), "");
}

TEST(progress_without_a_terminal, automatic_asks_once_and_never_wants_to_be_called_again) {
  pipe_channel log;
  const stderr_to redirected(log.in);
  const reporter how;
  progress_meter shown(how, 10, start);
  shown.update(start + 500ms, 1, 0);
  EXPECT_EQ(shown.wait(start + 500ms), never);
  EXPECT_FALSE(shown.due(start + 1h));
  const reporter silent = report::silent;
  EXPECT_EQ(progress_meter(silent, 10, start).wait(start), never);
}

TEST(progress_without_a_terminal, bar_and_text_print_plain_lines) {
  for (const report kind : {report::bar, report::text}) {
    const variable all("LC_ALL", "C.UTF-8");
    pipe_channel log, brief;
    EXPECT_EQ(run(kind, log, 25s, 4), " 40% 400/1000 [00:10<00:15, 40.0it/s]\n"
                                      " 80% 800/1000 [00:20<00:05, 40.0it/s]\n"
                                      "100% 1000/1000 [00:25<00:00, 40.0it/s, 4 failed]\n"
                                      "1000 tasks in 25 s: 996 ok, 4 failed\n");
    EXPECT_EQ(run(kind, brief, 10ms), "100% 1000/1000 [00:00<00:00, 100kit/s]\n");
  }
}

TEST(progress_without_a_terminal, wait_until_the_next_line) {
  pipe_channel log;
  const stderr_to redirected(log.in);
  const reporter bar = report::bar, text = report::text;
  progress_meter first(bar, 10, start), second(text, 10, start);
  first.update(start + 100ms, 1, 0);
  EXPECT_EQ(first.wait(start + 100ms), 9900ms);
  EXPECT_EQ(second.wait(start), 10s);
}

TEST(progress_without_a_terminal, a_stderr_that_takes_nothing_is_ignored) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  check(full >= 0, "open");
  const int unwritable = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  check(unwritable >= 0, "open");
  for (const int fd : {full, unwritable})
    for (const report kind : {report::automatic, report::bar, report::text}) {
      const stderr_to redirected(fd);
      const reporter how = kind;
      progress_meter shown(how, 10, start);
      EXPECT_NO_THROW(shown.update(start + 11s, 1, 0));
      EXPECT_NO_THROW(shown.finish(start + 12s, 10, 0));
    }
  ::close(full);
  ::close(unwritable);
}

TEST(progress_without_a_terminal, a_stopped_work_shows_where_it_stopped) {
  pipe_channel log;
  const reporter how = report::text;
  {
    const stderr_to redirected(log.in);
    progress_meter(how, 1000, start).finish(start + 5s, 450, 0);
  }
  EXPECT_EQ(log.written(), " 45% 450/1000 [00:05<00:00, 90.0it/s]\n"
                           "1000 tasks in 5.0 s: 450 ok, 550 stopped\n");
}

// What serial cannot enforce it says, once, before the first task, where a reporter shows anything.
TEST(progress_of_serial, tells_once_of_each_option_without_effect) {
  const std::vector<int> three{1, 2, 3};
  const auto written_by = [&](const parmap::options& chosen) {
    pipe_channel to;
    {
      const stderr_to redirected(to.in);
      const auto f = [&to](int x) { return x == 1 ? ::write(to.in, "task\n", 5) : 0; };
      EXPECT_TRUE(parmap::map(parmap::serial, f, three, chosen).ok());
    }
    return to.written();
  };
  const auto begins_with_note = [](const std::string& text, const std::string& options) {
    return text.starts_with("parmap: the engine serial does not enforce " + options + "; use multi\ntask\n100%");
  };
  EXPECT_EQ(written_by({.reporter = report::silent, .timeout = 1h}), "task\n");
  EXPECT_EQ(written_by({.reporter = [](const progress&) {}, .timeout = 1h}), "task\n");
  const std::string first = written_by({.max_failures = 1, .reporter = report::bar, .timeout = 1h});
  EXPECT_TRUE(begins_with_note(first, "options.max_failures, options.timeout")) << first;
  const std::string second = written_by({.memory_limit = 1, .reporter = report::bar, .timeout = 1h});
  EXPECT_TRUE(begins_with_note(second, "options.memory_limit")) << second;
  const std::string third = written_by({.reporter = report::bar, .timeout = 1h});
  EXPECT_TRUE(third.starts_with("task\n100%")) << third;
}

}  // namespace
