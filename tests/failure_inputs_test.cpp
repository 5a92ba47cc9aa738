// SPDX-License-Identifier: MIT
// failure::inputs: what each engine tells of a failed task's inputs, and that telling it ends nothing.
#include "engines.hpp"
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <ostream>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;

class failure_inputs : public leftovers::none {};

template <class Results>
std::vector<std::string> inputs_of(const Results& all) {
  std::vector<std::string> texts;
  for (const parmap::failure& each : all.failures()) texts.push_back(each.inputs);
  return texts;
}

constexpr auto fail = [](const auto&...) -> int { throw std::runtime_error("x"); };
constexpr auto crash = [](const auto&...) -> int { std::abort(); };
using texts = std::vector<std::string>;

enum class colour { red, blue };
enum class state { on, off };
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, state x) { return out << (x == state::on ? "on" : "off"); }

TEST_F(failure_inputs, of_each_type) {
  const auto one = [](const auto& value) { return inputs_of(parmap::map(fail, std::array{value}))[0]; };
  EXPECT_EQ(one(7), "7");
  EXPECT_EQ(one(-7L), "-7");
  EXPECT_EQ(one(std::uint64_t{18446744073709551615U}), "18446744073709551615");
  EXPECT_EQ(one(static_cast<signed char>(-3)), "-3");
  EXPECT_EQ(one('x'), "'x'");
  EXPECT_EQ(one('\n'), "10");
  EXPECT_EQ(one(true), "true");
  EXPECT_EQ(one(0.1), "0.1");
  EXPECT_EQ(one(0.1F), "0.1");
  EXPECT_EQ(one(1e300), "1e+300");
  EXPECT_EQ(one(colour::blue), "1");
  EXPECT_EQ(one(state::off), "off");
  EXPECT_EQ(one(std::string("a \"b\"\\\t\n\x01")), R"("a \"b\"\\\t\n ")");
  EXPECT_EQ(one(std::string_view("view")), "\"view\"");
  EXPECT_EQ(one(static_cast<const char*>("text")), "\"text\"");
  EXPECT_EQ(one(static_cast<const char*>(nullptr)), "");
  EXPECT_EQ(one(static_cast<const int*>(nullptr)), "");
  EXPECT_EQ(one(std::vector{1, 2}), "");
}

TEST_F(failure_inputs, of_each_axis) {
  const std::list<int> list{3, 4};
  EXPECT_EQ(inputs_of(parmap::map(fail, std::vector{0.5}, list)), (texts{"0.5, 3", "0.5, 4"}));
  EXPECT_EQ(inputs_of(parmap::map(fail, std::views::iota(5, 7))), (texts{"5", "6"}));
  EXPECT_EQ(inputs_of(parmap::map(fail, std::views::iota(5, 70) | std::views::take(1))), (texts{"5"}));
  EXPECT_EQ(inputs_of(parmap::map(fail, parmap::zip(std::deque{1, 2}, std::array{'a', 'b'}))),
            (texts{"1, 'a'", "2, 'b'"}));
  EXPECT_EQ(inputs_of(parmap::map(
                fail, parmap::product(std::vector{1}, std::vector{2}, std::vector{3}, std::vector{4}, std::vector{5}))),
            (texts{"1, 2, 3, 4, 5"}));
  std::istringstream words("8 9");
  EXPECT_EQ(inputs_of(parmap::map(fail, std::views::istream<int>(words))), (texts{"8", "9"}));
}

// A computed element is not computed again.
TEST_F(failure_inputs, are_not_computed) {
  const auto twice = std::views::iota(1, 3) | std::views::transform([](int i) { return 2 * i; });
  EXPECT_EQ(inputs_of(parmap::map(fail, twice)), (texts{"", ""}));
  EXPECT_EQ(inputs_of(parmap::map(fail, twice, std::vector{7})), (texts{"?, 7", "?, 7"}));
  const std::vector<const int*> nowhere{nullptr};
  const auto pointed = nowhere | std::views::transform([](const int* at) -> const int& { return *at; });
  EXPECT_EQ(inputs_of(parmap::map([](int i) { return i; }, pointed)), (texts{""}));
}

TEST_F(failure_inputs, of_each_engine) {
  const std::vector<int> x{4, 5};
  const std::vector<std::string> names{"a", "b"};
  const texts both{"4, \"b\"", "5, \"b\""};
  const auto f = [](int i, const std::string& name) {
    if (name == "b") throw i;
    return i;
  };
  EXPECT_EQ(inputs_of(parmap::map(parmap::threads, f, x, names)), both);
  EXPECT_EQ(inputs_of(parmap::map(parmap::multi, f, x, names)), both);
  EXPECT_EQ(inputs_of(parmap::map(parmap::engine_named("threads"), f, x, names)), both);
  const auto awaited = [](int i, const std::string& name) -> asio::awaitable<int> {
    if (name == "b") throw i;
    co_return i;
  };
  EXPECT_EQ(inputs_of(parmap::map(parmap::async, awaited, x, names)), both);
  std::vector<int> out(4);
  EXPECT_EQ(inputs_of(parmap::map_into(parmap::threads, out, f, x, names)), both);
  EXPECT_EQ(inputs_of(parmap::map_into(parmap::multi, out, f, x, names)), both);
}

TEST_F(failure_inputs, of_each_end_of_a_task) {
  const auto f = [](int i) {
    if (i == 1) ::_exit(3);
    if (i == 2) std::abort();
    while (i == 3) ::pause();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 5), {.timeout = 200ms});
  EXPECT_EQ(inputs_of(all), (texts{"1", "2", "3"}));
  EXPECT_TRUE(to_string(all.failures()[1]).starts_with("task 2 (2) crashed: SIGABRT")) << all.failures()[1];
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(inputs_of(parmap::map(f, std::views::iota(0, 2), {.stop = stop.get_token()})), (texts{"", ""}));
}

TEST_F(failure_inputs, are_short) {
  std::string umlauts;
  for (int k = 0; k < 150; ++k) umlauts += "\xc3\xa4";
  for (const char* const before : {"", "x"}) {
    const std::string text = inputs_of(parmap::map(fail, std::array{before + umlauts}))[0];
    EXPECT_LE(text.size(), 200U);
    EXPECT_GE(text.size(), 198U);
    EXPECT_TRUE(text.ends_with("\xa4...")) << text;
  }
  EXPECT_EQ(inputs_of(parmap::map(fail, std::array{std::string(1'000'000, 'x')}))[0].size(), 200U);
}

// What its operator<< does.
struct trap {
  enum { prints, throws, crashes, hangs } what;
};
std::ostream& operator<<(std::ostream& out, const trap& it) {
  if (it.what == trap::throws) throw std::logic_error("no text");
  if (it.what == trap::crashes) std::abort();
  while (it.what == trap::hangs) ::pause();
  return out << "printed";
}

TEST_F(failure_inputs, whose_text_fails) {
  const std::vector<trap> traps{{trap::prints}, {trap::crashes}, {trap::throws},
                                {trap::prints}, {trap::hangs},   {trap::prints}};
  EXPECT_EQ(inputs_of(parmap::map(crash, traps)), (texts{"printed", "", "", "printed", "", ""}));
  EXPECT_EQ(inputs_of(parmap::map(fail, traps)), (texts{"printed", "", "", "printed", "", ""}));
  const std::vector<trap> mild{{trap::prints}, {trap::throws}};
  EXPECT_EQ(inputs_of(parmap::map(parmap::threads, fail, mild)), (texts{"printed", ""}));
}

// Memory that cannot be read ends the worker, but not the caller that tells of it.
TEST_F(failure_inputs, that_cannot_be_read) {
  constexpr std::size_t page = 65'536;
  void* const memory = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* const numbers = static_cast<long*>(memory);
  constexpr std::size_t at_border = page / sizeof(long);
  numbers[at_border - 1] = 7;
  ASSERT_EQ(::mprotect(numbers + at_border, page, PROT_NONE), 0);
  const auto f = [](long i) { return i == 7 ? throw i : i; };
  EXPECT_EQ(inputs_of(parmap::map(f, std::span(numbers + at_border - 1, 2))), (texts{"7", ""}));
  const std::vector<const char*> words{"good", reinterpret_cast<const char*>(numbers + at_border)};
  EXPECT_EQ(inputs_of(parmap::map(fail, words)), (texts{"\"good\"", ""}));
  ::munmap(memory, 2 * page);
}

// Its operator<< takes the descriptors from the caller, which then cannot have another child.
struct last_child {
  int number;
};
std::ostream& operator<<(std::ostream& out, const last_child& it) {
  if (it.number == 2) {
    rlimit none{};
    ::getrlimit(RLIMIT_NOFILE, &none);
    none.rlim_cur = 0;
    ::prlimit(::getppid(), RLIMIT_NOFILE, &none, nullptr);
    std::abort();
  }
  return out << it.number;
}

TEST_F(failure_inputs, that_were_written_before_descriptors_ran_out) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto all = parmap::map(fail, std::vector<last_child>{{0}, {1}, {2}, {3}});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  // The caller ends a child for which it gets no descriptor. That child may have written by then.
  texts written = inputs_of(all);
  ASSERT_EQ(written.size(), 4U);
  if (written[3] == "3") written[3].clear();
  EXPECT_EQ(written, (texts{"0", "1", "", ""}));
}

TEST_F(failure_inputs, of_many_crashes) {
  const auto all = parmap::map(crash, std::views::iota(0, 30), {.workers = 4});
  const texts told = inputs_of(all);
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i], std::to_string(i));
}

}  // namespace
