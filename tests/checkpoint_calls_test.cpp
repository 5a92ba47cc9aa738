// SPDX-License-Identifier: MIT
// map_into and async_map with a checkpoint; the times in a table; values that Python reads, too.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/async.hpp>
#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <array>
#include <bit>
#include <complex>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;
using stored_maps::run_count;

auto axis(int n) { return parmap::axis("i", std::views::iota(0, n)); }

// ---- map_into

template <class Engine>
class checkpoint_into : public ::testing::Test {};
using putting = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(checkpoint_into, putting, engines::names);

TYPED_TEST(checkpoint_into, assigns_stored_values_and_new_ones) {
  const folder here;
  const run_count runs(here);
  const auto f = [&](parmap::context& self, int i) {
    runs.add();
    return std::to_string(i) + ":" + std::to_string(self.rng()());
  };
  std::vector<std::string> part(5);
  const auto first = parmap::map_into(TypeParam::engine, part, f, axis(5), kept_in(here.file()));
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(runs.take(), 5U);
  std::vector<std::string> all(9, "not touched");
  const auto second = parmap::map_into(TypeParam::engine, all, f, axis(8), kept_in(here.file()));
  EXPECT_EQ(runs.take(), 3U);
  EXPECT_EQ(second.stored(), 5U);
  EXPECT_EQ(second.seed(), first.seed());
  EXPECT_EQ(all[8], "not touched");
  all.pop_back();
  EXPECT_TRUE(std::ranges::equal(part, all | std::views::take(5)));
  EXPECT_EQ(all, parmap::map(TypeParam::engine, f, axis(8), {.seed = first.seed()}).value());
  EXPECT_EQ(runs.take(), 8U);
  EXPECT_EQ(parmap::map(TypeParam::engine, f, axis(8), kept_in(here.file())).value(), all);
  EXPECT_EQ(runs.take(), 0U);
}

TEST(checkpoint_calls, map_into_refuses_a_range_that_is_too_short_and_makes_no_file) {
  const folder here;
  std::vector<int> to(2);
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore =
                        parmap::map_into(parmap::threads, to, [](int i) { return i; }, axis(3), kept_in(here.file()));
                  }),
                  "the range has 2 elements for 3 tasks"));
  EXPECT_FALSE(std::filesystem::exists(here.file()));
}

struct picky {
  int is{};
  picky& operator=(int x) {
    if (x == 2) throw std::runtime_error("not 2");
    is = x;
    return *this;
  }
};

TEST(checkpoint_calls, a_value_that_cannot_be_assigned_fails_its_task_and_is_stored) {
  const folder here;
  std::vector<picky> to(4);
  const auto f = [](int i) { return i; };
  for (const std::uint64_t stored : {0U, 4U}) {
    const auto made = parmap::map_into(parmap::threads, to, f, axis(4), kept_in(here.file()));
    ASSERT_EQ(made.failures().size(), 1U);
    EXPECT_EQ(made.failures()[0].index, 2U);
    EXPECT_TRUE(has(made.failures()[0].message, "not 2"));
    EXPECT_EQ(made.stored(), stored);
    EXPECT_EQ(to[3].is, 3);
  }
}

// ---- async_map

template <class Call>
void in_loop(const Call& call) {
  asio::io_context loop;
  asio::co_spawn(loop, call, [](const std::exception_ptr& lost) {
    if (lost) std::rethrow_exception(lost);
  });
  loop.run();
}

TEST(checkpoint_calls, async_map_goes_on_with_what_is_stored) {
  const folder here;
  const run_count runs(here);
  bool mended = false;
  const auto f = [&](parmap::context& self, int i) -> asio::awaitable<std::uint64_t> {
    runs.add();
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (i == 1 && !mended) throw std::runtime_error("no");
    co_return self.rng()();
  };
  // See async_map: g++ 12 destroys temporaries of a co_await twice.
  const parmap::options how = kept_in(here.file());
  const parmap::options keep_failures =
      kept_in(here.file(), {.existing = {}, .name = "f", .rerun = std::vector<parmap::failure_kind>()});
  in_loop([&]() -> asio::awaitable<void> {
    const auto first = co_await parmap::async_map(f, axis(4), how);
    EXPECT_EQ(first.failures().size(), 1U);
    EXPECT_EQ(first.failures()[0].inputs, "i=1");
    EXPECT_EQ(runs.take(), 4U);
    const auto kept = co_await parmap::async_map(f, axis(4), keep_failures);
    EXPECT_EQ(kept.failures()[0].inputs, "i=1");
    EXPECT_EQ(kept.failures()[0].message, first.failures()[0].message);
    EXPECT_EQ(runs.take(), 0U);
    mended = true;
    const auto whole = co_await parmap::async_map(f, axis(6), how);
    EXPECT_EQ(runs.take(), 3U);
    EXPECT_EQ(whole.stored(), 3U);
    const auto number = [](parmap::context& self, int) { return self.rng()(); };
    EXPECT_EQ(whole.value(), parmap::map(parmap::serial, number, axis(6), {.seed = first.seed()}).value());
    std::ostringstream table;
    whole.write_csv(table);
    EXPECT_TRUE(table.str().starts_with("i,value,_kind,_message,_attempts,_seconds,_worker\n")) << table.str();
  });
  // A map of the engine async has the same file.
  const auto again = parmap::map(parmap::async, f, axis(6), kept_in(here.file()));
  EXPECT_EQ(again.stored(), 6U);
}

TEST(checkpoint_calls, async_map_refuses_what_cannot_be_stored_in_the_call) {
  const folder here;
  const auto f = [](int i) -> asio::awaitable<std::shared_ptr<int>> { co_return std::make_shared<int>(i); };
  EXPECT_TRUE(has(message_of([&] { std::ignore = parmap::async_map(f, axis(2), kept_in(here.file())); }),
                  "cannot keep values of this type"));
  const parmap::options nowhere = kept_in(here.file("no/such/folder"));
  in_loop([&]() -> asio::awaitable<void> {
    const auto g = [](int i) -> asio::awaitable<int> { co_return i; };
    try {
      std::ignore = co_await parmap::async_map(g, axis(2), nowhere);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const parmap::store_failed& error) {
      EXPECT_TRUE(has(error.what(), "does its folder exist"));
    }
  });
}

// ---- The table

std::vector<std::string> cells_of_row(const std::string& table, std::size_t row) {
  std::istringstream lines(table);
  std::string line;
  for (std::size_t k = 0; k <= row; ++k) std::getline(lines, line);
  std::vector<std::string> cells(1);
  for (const char c : line)
    if (c == ',') cells.emplace_back();
    else cells.back() += c;
  return cells;
}

TEST(checkpoint_calls, a_table_has_the_times_of_stored_tasks_too) {
  const folder here;
  const auto f = [](int i) {
    if (i == 1) throw std::runtime_error("no");
    return i;
  };
  const auto table = [&](int n) {
    parmap::checkpoint_options keep{.name = "f", .rerun = std::vector<parmap::failure_kind>()};
    std::ostringstream text;
    parmap::map(parmap::threads, f, axis(n), kept_in(here.file(), keep)).write_csv(text);
    return text.str();
  };
  constexpr int n = 200;  // so that a time that is not stored to the nanosecond is among them
  const std::string first = table(n);
  const std::string second = table(n + 1);
  EXPECT_EQ(cells_of_row(second, 0),
            (std::vector<std::string>{"i", "value", "_kind", "_message", "_attempts", "_seconds", "_worker"}));
  for (std::size_t row = 1; row <= n; ++row) ASSERT_EQ(cells_of_row(second, row), cells_of_row(first, row));
  for (std::size_t row = 1; row <= n + 1; ++row) {
    EXPECT_GT(std::stod(cells_of_row(second, row).at(5)), 0.0);
    EXPECT_LT(std::stod(cells_of_row(second, row).at(6)), 2.0);
  }
  std::ostringstream plain;
  parmap::map(parmap::threads, f, axis(3)).write_csv(plain);
  EXPECT_FALSE(has(plain.str(), "_seconds")) << "without a store they are not known";
}

TEST(checkpoint_calls, stopped_tasks_have_no_times) {
  const folder here;
  parmap::options how = kept_in(here.file());
  how.max_failures = 1;
  how.workers = 1;
  std::ostringstream text;
  parmap::map(parmap::threads, [](int) -> int { throw std::runtime_error("no"); }, axis(2), how).write_csv(text);
  EXPECT_EQ(cells_of_row(text.str(), 2).at(2), "stopped");
  EXPECT_EQ(cells_of_row(text.str(), 2).at(5), "");
  EXPECT_EQ(cells_of_row(text.str(), 2).at(6), "");
}

// ---- Values

template <class T>
std::string stored_text(const T& x) {
  const parmap::detail::stored_value it = parmap::detail::to_stored(x);
  EXPECT_EQ(it.format, parmap::detail::value_format::json);
  EXPECT_EQ(parmap::detail::from_stored<T>(it), x);
  return it.bytes;
}

TEST(checkpoint_values, containers_are_json_that_python_reads) {
  EXPECT_EQ(stored_text(std::vector<std::string>{"a", "\"\\\n\x01", "\u00e9\U0001f600", std::string("\0", 1)}),
            R"(["a","\"\\\n\u0001","\u00e9\ud83d\ude00","\u0000"])");
  EXPECT_EQ(stored_text(std::tuple(1, 2.0, true, std::string("x"))), R"({"__tuple__":[1,2.0,true,"x"]})");
  EXPECT_EQ(stored_text(std::vector<std::vector<double>>{{1, 0.1}, {}}), "[[1.0,0.1],[]]");
  EXPECT_EQ(stored_text(std::map<std::string, double>{{"mean", -0.0}, {"last", 1e300}}),
            R"({"last":1e+300,"mean":-0.0})");
  EXPECT_EQ(stored_text(std::vector<std::vector<double>>{{1e15, 1e16, 1.5e-5, 0.00012, -123456.789, 5e-324}}),
            "[[1000000000000000.0,1e+16,1.5e-05,0.00012,-123456.789,5e-324]]");
  EXPECT_EQ(stored_text(std::map<int, int>()), "{}");
  EXPECT_EQ(stored_text(std::map<int, std::optional<int>>{{3, 1}, {-2, std::nullopt}}),
            R"({"__dict__":[[-2,null],[3,1]]})");
  EXPECT_EQ(stored_text(std::map<std::string, int>{{"__a", 1}}), R"({"__dict__":[["__a",1]]})");
  EXPECT_EQ(stored_text(std::vector<bool>{true, false}), "[true,false]");
  EXPECT_EQ(stored_text(std::complex<double>(0.5, -1)), R"({"__complex__":[0.5,-1.0]})");
  EXPECT_EQ(stored_text(std::pair(std::numeric_limits<double>::infinity(), std::numeric_limits<std::uint64_t>::max())),
            R"({"__tuple__":[{"__float__":"7ff0000000000000"},18446744073709551615]})");
  EXPECT_EQ(stored_text(std::array<std::string, 2>{"a", ""}), R"(["a",""])");
  // A NaN keeps its bits.
  const auto odd = std::bit_cast<double>(std::uint64_t{0xfff8'0000'0000'0007});
  const auto back = parmap::detail::from_stored<std::pair<double, int>>(parmap::detail::to_stored(std::pair(odd, 1)));
  EXPECT_EQ(std::bit_cast<std::uint64_t>(back.first), 0xfff8'0000'0000'0007);
  // What JSON cannot hold is stored as the bytes of its codec.
  const std::vector<std::string> bytes{"\xff"};
  const auto it = parmap::detail::to_stored(bytes);
  EXPECT_EQ(it.format, parmap::detail::value_format::encoded);
  EXPECT_EQ(parmap::detail::from_stored<std::vector<std::string>>(it), bytes);
  EXPECT_EQ(parmap::detail::to_stored(std::optional<double>()).format, parmap::detail::value_format::none);
  EXPECT_EQ(parmap::detail::from_stored<std::optional<double>>(parmap::detail::to_stored(std::optional(0.5))), 0.5);
}

using parmap::detail::stored_value;
using parmap::detail::value_format;

template <class T>
std::string refusal(const stored_value& it) {
  return message_of([&] { std::ignore = parmap::detail::from_stored<T>(it); });
}
stored_value json(const char* text) { return parmap::detail::stored_bytes_of(text, value_format::json); }

TEST(checkpoint_values, what_python_has_stored_is_read_where_the_type_is_right) {
  EXPECT_EQ(parmap::detail::from_stored<std::vector<double>>(json("[1, 2.5, {\"__numpy__\": [\"float64\", 3.5]}]")),
            (std::vector<double>{1, 2.5, 3.5}));
  EXPECT_EQ((parmap::detail::from_stored<std::array<int, 2>>(json(R"({"__tuple__":[1,2]})"))), (std::array{1, 2}));
  EXPECT_EQ(parmap::detail::from_stored<std::vector<std::string>>(json(R"(["\u00e9\ud83d\ude00"])")),
            std::vector<std::string>{"\u00e9\U0001f600"});
  EXPECT_EQ(parmap::detail::from_stored<double>(parmap::detail::stored_integer_of(3)), 3.0);
  EXPECT_EQ(parmap::detail::from_stored<std::string>(
                parmap::detail::stored_bytes_of(std::string("\0\xff", 2), value_format::python_bytes)),
            std::string("\0\xff", 2));
}

struct row {
  double mean;
  std::string note;
};

TEST(checkpoint_values, another_type_is_refused_and_both_are_told) {
  EXPECT_EQ(refusal<double>(parmap::detail::stored_text_of("x")), "text, and here the type is real");
  EXPECT_EQ(refusal<double>(parmap::detail::stored_integer_of((std::int64_t{1} << 53) + 1)),
            "an integer (9007199254740993), and here the type is real");
  EXPECT_EQ(refusal<int>(parmap::detail::stored_real_of(1)), "a real number, and here the type is integer");
  EXPECT_EQ(refusal<bool>(parmap::detail::stored_integer_of(1)), "an integer (1), and here the type is boolean");
  EXPECT_TRUE(has(refusal<float>(parmap::detail::stored_real_of(0.1)), "does not hold exactly"));
  EXPECT_EQ(refusal<std::vector<int>>(json("[1,2.5]")), "JSON ([1,2.5]), and here the type is array");
  EXPECT_EQ(refusal<std::vector<std::uint8_t>>(json("[1,256]")), "JSON ([1,256]), and here the type is array");
  const auto dataclass =
      parmap::detail::stored_bytes_of(R"({"__class__":"study:Row","mean":0.5})", value_format::dataclass);
  EXPECT_TRUE(refusal<row>(dataclass).starts_with(
      R"(a dataclass of Python ({"__class__":"study:Row","mean":0.5}), and here the type is )"));
  EXPECT_TRUE((has(refusal<std::map<std::string, double>>(dataclass), "a dataclass of Python")));
  EXPECT_TRUE((has(refusal<std::map<std::string, double>>(json(R"({"__class__":"a","b":1.0})")), "JSON (")));
  for (const char* damaged : {"", "[1", "[1,]", "{\"a\"}", "[\"\\x\"]", "[1] 2", "[\"\\ud800\"]", "[1e]", "[-]", "[\"a",
                              "[123456789012345678901]"})
    EXPECT_TRUE(has(refusal<std::vector<double>>(json(damaged)), "here the type is array")) << damaged;
  EXPECT_TRUE(has(refusal<std::vector<double>>(json(std::string(100'000, '[').c_str())), "here the type is array"));
  // An array of two axes.
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }";
  header.resize(117, ' ');
  header += '\n';
  const std::string array = std::string("\x93NUMPY\x01\x00", 8) + '\x76' + '\0' + header + std::string(32, '\0');
  EXPECT_TRUE(
      has(refusal<std::vector<double>>(parmap::detail::stored_bytes_of(std::string(array), value_format::array)),
          "'shape': (2, 2)"));
}

}  // namespace
