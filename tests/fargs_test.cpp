// SPDX-License-Identifier: MIT
// fargs fixes trailing arguments of anything std::invoke takes.
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::fargs;

int power(int base, int exponent) {
  int all = 1;
  for (int k = 0; k < exponent; ++k) all *= base;
  return all;
}
int digits(int a, int b, int c) { return 100 * a + 10 * b + c; }

struct point {
  double x;
  [[nodiscard]] double scaled(double by) const { return by * x; }
};

const std::vector<int> xs{1, 2, 3};

TEST(fargs, fixes_trailing_arguments) {
  EXPECT_EQ(fargs(power, 3)(2), 8);
  EXPECT_EQ(fargs(digits, 2, 3)(1), 123);
  EXPECT_EQ(fargs(digits, 3)(1, 2), 123);
  EXPECT_EQ(fargs(digits)(1, 2, 3), 123);
  EXPECT_EQ(fargs(fargs(digits, 3), 2)(1), 123);
  static_assert(fargs([](int a, int b) { return a - b; }, 3)(5) == 2);
}

TEST(fargs, works_on_every_engine) {
  const std::vector<int> cubes{1, 8, 27};
  EXPECT_EQ(parmap::map(fargs(power, 3), xs).value(), cubes);
  EXPECT_EQ(parmap::map(parmap::threads, fargs(power, 3), xs).value(), cubes);
  const auto cube = fargs(power, 3);
  EXPECT_EQ(parmap::map(parmap::serial, cube, xs).value(), cubes);
  EXPECT_EQ(parmap::map(parmap::serial, fargs(digits, 7), xs, xs)[1], 127);
}

TEST(fargs, member_functions) {
  const std::vector<point> points{{1.5}, {2.5}};
  EXPECT_EQ(parmap::map(parmap::threads, fargs(&point::scaled, 2.0), points).value(), (std::vector{3.0, 5.0}));
  EXPECT_EQ(fargs(&point::scaled, 2.0)(&points[1]), 5.0);
}

TEST(fargs, a_context_comes_first) {
  const auto f = [](parmap::context& self, int x, int fixed) {
    return 100 * static_cast<int>(self.index()) + 10 * x + fixed;
  };
  EXPECT_EQ(parmap::map(parmap::threads, fargs(f, 7), xs).value(), (std::vector{17, 127, 237}));
  EXPECT_EQ(parmap::map(fargs(f, 7), xs).value(), (std::vector{17, 127, 237}));
}

TEST(fargs, holds_values_of_its_own) {
  std::string name = "first";
  const auto f = fargs([](int x, const std::string& text) { return text + std::to_string(x); }, name);
  name = "second";
  EXPECT_EQ(f(1), "first1");
  const auto text = fargs([](int x, const std::string& t) { return t + std::to_string(x); }, "literal");
  EXPECT_EQ(text(1), "literal1");
}

TEST(fargs, all_calls_share_one_object) {
  const auto f = fargs([](int, const std::vector<int>& big) { return big.data(); }, std::vector<int>(1000));
  EXPECT_EQ(f(0), f(1));
}

TEST(fargs, move_only_arguments_and_functions) {
  const auto f = fargs([](int x, const std::unique_ptr<int>& p) { return x + *p; }, std::make_unique<int>(40));
  static_assert(!std::copy_constructible<decltype(f)>);
  EXPECT_EQ(f(2), 42);
  EXPECT_EQ(parmap::map(parmap::threads, f, xs).value(), (std::vector{41, 42, 43}));
  EXPECT_EQ(parmap::map(f, xs).value(), (std::vector{41, 42, 43}));
  const auto owner = fargs([p = std::make_unique<int>(1)](int x, int y) { return *p + x + y; }, 10);
  EXPECT_EQ(owner(100), 111);
}

TEST(fargs, reference_wrappers_refer) {
  int outside = 1;
  const auto f = fargs([](int, const int& n) { return &n; }, std::cref(outside));
  EXPECT_EQ(f(0), &outside);
  const auto value = fargs([](int x, int n) { return x + n; }, std::ref(outside));
  outside = 5;
  EXPECT_EQ(value(1), 6);
}

TEST(fargs, forwards_what_it_is_called_with) {
  const auto take = fargs([](std::unique_ptr<int> p, int more) { return *p + more; }, 2);
  EXPECT_EQ(take(std::make_unique<int>(40)), 42);
  int x = 1;
  const auto set = fargs([](int& to, int from) -> int& { return to = from; }, 9);
  EXPECT_EQ(&set(x), &x);
  EXPECT_EQ(x, 9);
}

TEST(fargs, can_be_called_only_with_what_f_takes) {
  const auto f = fargs(power, 3);
  static_assert(std::invocable<decltype(f)&, int>);
  static_assert(!std::invocable<decltype(f)&, std::string>);
  static_assert(!std::invocable<decltype(f)&, int, int>);
  static_assert(!std::invocable<decltype(f)&>);
  static_assert(std::same_as<std::invoke_result_t<decltype(f)&, int>, int>);
  static_assert(std::is_void_v<std::invoke_result_t<decltype(fargs([](int, int) {}, 1))&, int>>);
}

TEST(fargs, a_reference_wrapper_may_be_written_through) {
  int sum = 0;
  const auto add = parmap::fargs([](int x, int& into) { return into += x; }, std::ref(sum));
  EXPECT_EQ(add(2), 2);
  EXPECT_EQ(add(3), 5);
  EXPECT_EQ(sum, 5);
}

}  // namespace
