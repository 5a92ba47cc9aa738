// SPDX-License-Identifier: MIT
// Failures: their text, their exceptions, and the list that stores a run of equal failures as one entry.
#include <parmap/detail/processes/death_message.hpp>
#include <parmap/detail/progress/summary_line.hpp>
#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <limits>
#include <optional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using parmap::failure;
using parmap::failure_kind;
using parmap::failure_list;
using runs = std::vector<std::pair<failure, std::uint64_t>>;

static_assert(std::ranges::random_access_range<const failure_list>);
static_assert(std::ranges::sized_range<const failure_list>);
static_assert(std::ranges::common_range<const failure_list>);
static_assert(std::random_access_iterator<failure_list::iterator>);
static_assert(std::sized_sentinel_for<failure_list::iterator, failure_list::iterator>);
static_assert(std::same_as<std::ranges::range_value_t<failure_list>, failure>);
static_assert(std::regular<failure_list::iterator>);

failure about(std::uint64_t index, std::string message = {}) {
  return {index, failure_kind::threw, std::move(message), 1, nullptr};
}

std::vector<std::uint64_t> indices(const failure_list& all) {
  std::vector<std::uint64_t> found;
  for (const failure& each : all) found.push_back(each.index);
  return found;
}

TEST(failure_kind, names) {
  using enum failure_kind;
  EXPECT_EQ(to_string(threw), "threw");
  EXPECT_EQ(to_string(crashed), "crashed");
  EXPECT_EQ(to_string(exited), "exited");
  EXPECT_EQ(to_string(timed_out), "timed_out");
  EXPECT_EQ(to_string(out_of_memory), "out_of_memory");
  EXPECT_EQ(to_string(unencodable), "unencodable");
  EXPECT_EQ(to_string(stopped), "stopped");
  EXPECT_EQ(to_string(static_cast<failure_kind>(99)), "unknown");
  static_assert(failure::crashed == failure_kind::crashed);
}

TEST(failure, says_what_happened_on_one_line) {
  EXPECT_EQ(to_string(failure{7, failure::crashed, "SIGSEGV", 1, nullptr}), "task 7 crashed: SIGSEGV");
  EXPECT_EQ(to_string(failure{0, failure::timed_out, "killed", 3, nullptr}), "task 0 timed out: killed (3 attempts)");
  EXPECT_EQ(to_string(failure{2, failure::out_of_memory, "", 1, nullptr}), "task 2 out of memory");
  EXPECT_EQ(to_string(failure{5, failure::stopped, "not begun", 0, nullptr}), "task 5 stopped: not begun");
  EXPECT_EQ(to_string(failure{std::numeric_limits<std::uint64_t>::max(), failure::exited, "", 1, nullptr}),
            "task 18446744073709551615 exited");
  std::ostringstream out;
  out << about(3, "why") << '\n';
  EXPECT_EQ(out.str(), "task 3 threw: why\n");
}

TEST(failure, rethrows_the_original) {
  const failure why{4, failure::threw, "std::out_of_range: far", 1, std::make_exception_ptr(std::out_of_range("far"))};
  try {
    why.rethrow();
    FAIL();
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "far");
  }
  const failure odd{4, failure::threw, "int: 42", 1, std::make_exception_ptr(42)};
  EXPECT_THROW(odd.rethrow(), int);
}

TEST(failure, rethrows_task_failed_where_there_is_no_original) {
  const failure why{4, failure::crashed, "SIGSEGV", 2, nullptr};
  try {
    why.rethrow();
    FAIL();
  } catch (const parmap::task_failed& error) {
    EXPECT_STREQ(error.what(), "task 4 crashed: SIGSEGV (2 attempts)");
    EXPECT_EQ(error.why().index, 4U);
    EXPECT_EQ(error.why().kind, failure::crashed);
    EXPECT_EQ(error.why().attempts, 2U);
  }
}

TEST(map_failed, names_a_few_one_by_one) {
  runs all;
  for (const std::uint64_t i : {9U, 3U, 5U}) all.emplace_back(about(i, "m" + std::to_string(i)), 1);
  const parmap::map_failed few(failure_list(all), 10);
  EXPECT_STREQ(few.what(), "3 of 10 tasks failed\n  task 3 threw: m3\n  task 5 threw: m5\n  task 9 threw: m9");
  EXPECT_EQ(indices(few.failures()), (std::vector<std::uint64_t>{3, 5, 9}));
}

failure because(std::uint64_t index, failure_kind kind, std::string message, std::string inputs = {}) {
  failure made = about(index, std::move(message));
  made.kind = kind;
  made.inputs = std::move(inputs);
  return made;
}

TEST(failure_causes, numbers_in_a_text) {
  const auto numbers = parmap::detail::without_numbers;
  EXPECT_EQ(numbers("no convergence at mu=-0.25, x0=1.5e-07: 3 steps"), "no convergence at mu=..., x0=...: ... steps");
  EXPECT_EQ(numbers("at 0x7ffe12AB, not 0xg"), "at ..., not ...xg");
  EXPECT_EQ(numbers("int32 v2 x_3 (4) 5. 1.2.3 -6-7 +8"), "int32 v2 x_3 (...) .... ... ...-... ...");
  EXPECT_EQ(numbers(""), "");
  EXPECT_EQ(numbers("9"), "...");
  EXPECT_EQ(numbers("2e 2e+ 1e5x"), "...e ...e+ ...x");
}

TEST(failure_causes, one_for_each_kind_and_message_the_most_frequent_first) {
  using enum failure_kind;
  const failure_list all(runs{{because(1, threw, "no root at 2"), 1},
                              {because(2, crashed, "exit 1"), 1},
                              {because(3, threw, "no root at 3", "3, 0.5"), 1},
                              {because(4, exited, "status 1"), 1},
                              {because(5, exited, "status 2"), 1},
                              {because(6, timed_out, "late"), 1},
                              {because(7, stopped, "not begun"), 1000},
                              {because(2000, timed_out, "late"), 1},
                              {because(2001, out_of_memory, "late"), 1}});
  const std::vector<parmap::failure_cause> causes = all.causes();
  std::vector<std::string> lines;
  for (const auto& each : causes) lines.push_back(to_string(each));
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "1000 x stopped: not begun; first task 7", "2 x threw: no root at ...; first task 1",
                       "2 x timed out: late; first task 6", "task 2 crashed: exit 1", "task 4 exited: status 1",
                       "task 5 exited: status 2", "task 2001 out of memory: late"}));
  EXPECT_EQ(causes[1].count, 2U);
  EXPECT_EQ(causes[1].first.message, "no root at 2");
  EXPECT_TRUE(failure_list().causes().empty());
}

TEST(failure_causes, stand_where_many_failures_are_shown) {
  runs all;
  for (std::uint64_t i = 0; i < 3000; ++i)
    all.emplace_back(because(i, failure_kind::threw, "no root at " + std::to_string(i), std::to_string(i)), 1);
  all[1500].first.kind = failure_kind::timed_out;
  const std::string lines =
      "\n  2999 x threw: no root at ...; first task 0 (0)\n  task 1500 (1500) timed out: no root at 1500";
  const failure_list failures(all);
  EXPECT_EQ(parmap::map_failed(failures, 10'000).what(), "3000 of 10000 tasks failed" + lines);
  std::ostringstream out;
  out << failures;
  EXPECT_EQ(out.str(), "3000 tasks failed" + lines);
  const parmap::map_summary summary{
      .tasks = 10'000, .completed = 7000, .elapsed = std::chrono::milliseconds(2040), .causes = failures.causes()};
  EXPECT_EQ(to_string(summary), "10000 tasks in 2.0 s: 7000 ok, 3000 failed" + lines);
  EXPECT_EQ(summary.failed(), 3000U);
  EXPECT_EQ(summary.count(failure_kind::timed_out), 1U);
}

TEST(failure_causes, beyond_five_are_counted) {
  runs all;
  for (std::uint64_t i = 0; i < 9; ++i) all.emplace_back(about(i, std::string(i % 7 + 1, 'a')), 1);
  std::ostringstream out;
  out << failure_list(all);
  EXPECT_EQ(out.str(), "9 tasks failed\n  2 x threw: a; first task 0\n  2 x threw: aa; first task 1\n"
                       "  task 2 threw: aaa\n  task 3 threw: aaaa\n  task 4 threw: aaaaa\n"
                       "  and 2 more, of 2 other causes");
}

TEST(map_summary, its_line_tells_time_and_counts) {
  using namespace std::chrono_literals;
  using parmap::detail::format_span;
  EXPECT_EQ(format_span(-1s), "0.0 µs");
  EXPECT_EQ(format_span(350ns), "0.4 µs");
  EXPECT_EQ(format_span(9'949ns), "9.9 µs");
  EXPECT_EQ(format_span(9'950ns), "10 µs");
  EXPECT_EQ(format_span(999'499ns), "999 µs");
  EXPECT_EQ(format_span(999'500ns), "1.0 ms");
  EXPECT_EQ(format_span(2'049ms), "2.0 s");
  EXPECT_EQ(format_span(59'499ms), "59 s");
  EXPECT_EQ(format_span(59'500ms), "1 min 00 s");
  EXPECT_EQ(format_span(59min + 59s), "59 min 59 s");
  EXPECT_EQ(format_span(26h + 5min + 59s), "26 h 05 min");
  EXPECT_EQ(parmap::detail::format_summary(2s, 1, 0, 0), "1 task in 2.0 s: 1 ok");
  EXPECT_EQ(parmap::detail::format_summary(2s, 1, 2, 3), "6 tasks in 2.0 s: 1 ok, 2 failed, 3 stopped");
}

TEST(failure_list, empty) {
  const failure_list none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_FALSE(none.contains(0));
  EXPECT_EQ(none.count_below(5), 0U);
  EXPECT_THROW(static_cast<void>(none.at(0)), std::out_of_range);
  EXPECT_TRUE(failure_list(runs{{about(3), 0}}).empty());
}

TEST(failure_list, is_sorted_and_unrolls_runs) {
  const failure_list all({{about(20, "c"), 2}, {about(3, "a"), 1}, {about(10, "b"), 3}});
  EXPECT_EQ(indices(all), (std::vector<std::uint64_t>{3, 10, 11, 12, 20, 21}));
  EXPECT_EQ(all[3].message, "b");
  EXPECT_EQ(all.front().index, 3U);
  EXPECT_EQ(all.back().index, 21U);
  EXPECT_EQ(all.at(5).message, "c");
  EXPECT_THROW(static_cast<void>(all.at(6)), std::out_of_range);
}

TEST(failure_list, iterators) {
  const failure_list all({{about(10, "b"), 3}});
  auto it = all.begin();
  EXPECT_EQ((it++)->index, 10U);
  EXPECT_EQ(it->index, 11U);
  EXPECT_EQ((++it)->index, 12U);
  EXPECT_EQ((it--)->index, 12U);
  EXPECT_EQ((--it)->index, 10U);
  EXPECT_EQ(it[2].index, 12U);
  EXPECT_EQ((it + 1)->index, 11U);
  EXPECT_EQ((1 + it)->index, 11U);
  EXPECT_EQ((all.end() - 1)->index, 12U);
  EXPECT_EQ(all.end() - all.begin(), 3);
  EXPECT_EQ(all.begin() - all.end(), -3);
  EXPECT_LT(all.begin(), all.end());
  EXPECT_EQ(std::ranges::lower_bound(all, std::uint64_t{11}, {}, &failure::index) - all.begin(), 1);
}

TEST(failure_list, a_moved_from_list_is_empty) {
  failure_list from({{about(10), 3}});
  const failure_list to = std::move(from);
  EXPECT_EQ(to.size(), 3U);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(from.size(), 0U);
  EXPECT_EQ(from.begin(), from.end());
}

TEST(failure_list, a_long_run_costs_one_entry) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const failure_list all({{about(1), most - 1}});
  EXPECT_EQ(all.size(), most - 1);
  EXPECT_EQ(all[most - 2].index, most - 1);
  EXPECT_TRUE(all.contains(most - 1));
  EXPECT_FALSE(all.contains(most));
  EXPECT_FALSE(all.contains(0));
  EXPECT_EQ(all.count_below(most), most - 1);
}

// Which of n tasks failed, as runs in random order and as a bit for each task.
struct random_failures {
  std::uint64_t n{};
  runs all;
  std::vector<bool> failed;
};

random_failures draw() {
  random_failures drawn;
  const auto lengths = *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 9));
  bool good = *rc::gen::arbitrary<bool>();
  for (const std::uint64_t length : lengths) {
    if (!good) drawn.all.emplace_back(about(drawn.n, "run at " + std::to_string(drawn.n)), length);
    drawn.failed.insert(drawn.failed.end(), length, !good);
    drawn.n += length;
    good = length % 4 == 0 ? good : !good;  // sometimes two failed runs are adjacent
  }
  for (std::size_t k = drawn.all.size(); k > 1; --k)
    std::swap(drawn.all[k - 1], drawn.all[*rc::gen::inRange<std::size_t>(0, k)]);
  return drawn;
}

TEST(failure_list, equals_a_plain_vector) {
  check_property([] {
    const random_failures drawn = draw();
    std::vector<std::uint64_t> plain;
    for (std::uint64_t i = 0; i < drawn.n; ++i)
      if (drawn.failed[i]) plain.push_back(i);

    const failure_list all(drawn.all);
    RC_ASSERT(all.size() == plain.size());
    RC_ASSERT(all.empty() == plain.empty());
    RC_ASSERT(indices(all) == plain);
    for (std::size_t k = 0; k < plain.size(); ++k) {
      RC_ASSERT(all[k].index == plain[k]);
      RC_ASSERT(all.begin()[static_cast<std::ptrdiff_t>(k)].index == plain[k]);
    }
    for (std::uint64_t i = 0; i <= drawn.n; ++i) {
      RC_ASSERT(all.contains(i) == (i < drawn.n && drawn.failed[i]));
      RC_ASSERT(all.count_below(i) == static_cast<std::uint64_t>(std::ranges::lower_bound(plain, i) - plain.begin()));
    }
  });
}

TEST(failure_list, gaps_are_the_rest) {
  check_property([] {
    const random_failures drawn = draw();
    std::vector<bool> in_gap(drawn.n);
    std::uint64_t reached = 0;
    failure_list(drawn.all).for_each_gap(drawn.n, [&](std::uint64_t b, std::uint64_t e) {
      RC_ASSERT(b < e);
      RC_ASSERT(e <= drawn.n);
      RC_ASSERT(reached <= b);
      reached = e;
      for (std::uint64_t i = b; i < e; ++i) in_gap[i] = true;
    });
    for (std::uint64_t i = 0; i < drawn.n; ++i) RC_ASSERT(in_gap[i] != drawn.failed[i]);
  });
}

TEST(failure, a_message_of_many_lines_is_shown_on_one) {
  EXPECT_EQ(parmap::to_string(parmap::failure{.index = 3, .message = "a\nb\r\nc", .attempts = 1}),
            "task 3 threw: a b  c");
}

using parmap::detail::death_cause;
using parmap::detail::ending;
using parmap::detail::farewell;

death_cause killed_by(int signal) { return {.how = {ending::killed, signal}}; }

std::string text_of(const death_cause& cause) {
  return to_string(failure{3, kind_of(cause), describe(cause), 1, nullptr});
}

TEST(death_text, begins_with_what_happened) {
  using namespace std::chrono_literals;
  EXPECT_TRUE(text_of(killed_by(SIGSEGV)).starts_with("task 3 crashed: SIGSEGV (Segmentation fault): an invalid "));
  EXPECT_TRUE(text_of(killed_by(SIGRTMIN + 1)).starts_with("task 3 crashed: signal "));
  EXPECT_TRUE(text_of({.how = {ending::exited, 5}}).starts_with("task 3 exited: its worker exited with status 5: "));
  EXPECT_TRUE(text_of({.how = {ending::exited, 3}, .said = farewell::exit, .said_status = 3})
                  .starts_with("task 3 exited: the task called exit(3)"));
  EXPECT_TRUE(text_of({.how = {ending::killed, SIGKILL}, .limit = 1500ms})
                  .starts_with("task 3 timed out: killed after its limit of 1.5 s"));
  EXPECT_TRUE(
      text_of({.how = {ending::unknown, 0}}).starts_with("task 3 crashed: its worker died, and the cause is unknown"));
  EXPECT_NE(text_of({.how = {ending::exited, 1}, .said = farewell::unfit, .said_status = EPERM})
                .find("Operation not permitted"),
            std::string::npos);
}

TEST(death_text, memory_as_a_cause) {
  death_cause killed = killed_by(SIGKILL);
  EXPECT_EQ(kind_of(killed), failure::crashed);
  killed.oom_killed = true;
  EXPECT_TRUE(text_of(killed).starts_with("task 3 out of memory: SIGKILL (Killed): the kernel's out-of-memory killer"));

  // The out-of-memory killer struck, but not this worker.
  death_cause crashed = killed_by(SIGSEGV);
  crashed.oom_killed = true;
  EXPECT_EQ(text_of(crashed), text_of(killed_by(SIGSEGV)));

  for (const int signal : {SIGSEGV, SIGABRT}) {
    death_cause limited = killed_by(signal);
    limited.memory_limit = std::uint64_t{3} << 29;
    EXPECT_EQ(kind_of(limited), failure::crashed);
    EXPECT_NE(describe(limited).find("options.memory_limit (1.5 GiB) refused an allocation"), std::string::npos);
  }
  death_cause divided = killed_by(SIGFPE);
  divided.memory_limit = 1;
  EXPECT_EQ(text_of(divided), text_of(killed_by(SIGFPE)));
}

// Every signal gets one short line that says more than the signal's name.
TEST(death_text, is_one_line_of_bounded_length) {
  std::vector<death_cause> all;
  for (int signal = 1; signal < SIGRTMAX; ++signal)
    for (const bool more : {false, true}) {
      all.push_back(killed_by(signal));
      all.back().oom_killed = more;
      if (more) all.back().memory_limit = 1000 << 20;
    }
  for (const farewell said : {farewell::exit, farewell::quick_exit, farewell::pthread_exit, farewell::arena_full,
                              farewell::unfit, farewell::none})
    all.push_back({.how = {ending::exited, 255}, .said = said, .said_status = 255});
  all.push_back({.how = {ending::unknown, 0}});
  for (const death_cause& cause : all) {
    const std::string text = text_of(cause);
    EXPECT_LE(text.size(), 220U) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_NE(text.find("; "), std::string::npos) << text;  // followed by what to try
  }
}

}  // namespace
