// SPDX-License-Identifier: MIT
// Functions for a pool's workers, as bytes and back.
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include "sent_bytes.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::fargs;
using parmap::detail::can_send_function;
using namespace std::string_literals;

int power(int base, int exponent) noexcept {
  int all = 1;
  for (int k = 0; k < exponent; ++k) all *= base;
  return all;
}
int cube(int x) { return x * x * x; }

struct without_default {
  without_default() = delete;
  explicit without_default(int) {}
  int operator()(int x) const { return -x; }
};
static_assert(std::is_empty_v<without_default> && !std::is_default_constructible_v<without_default>);
struct not_made_again {
  explicit not_made_again(int) {}
  not_made_again(const not_made_again&) {}
  int operator()(int x) const { return x; }
};
struct with_member {
  int by;
  int operator()(int x) const { return by * x; }
};
struct point {
  double x;
  [[nodiscard]] double scaled(double by) const { return by * x; }
};
template <class Signature>
struct without_state {
  int operator()(int x) const { return x; }
};
struct alignas(64) wide {
  int operator()(int x) const { return x + 64; }
};

static_assert(can_send_function<int (*)(int)> && can_send_function<int(int)> && can_send_function<int (&)(int)>);
static_assert(can_send_function<int (*)(int) noexcept> && can_send_function<std::plus<>>);
static_assert(can_send_function<without_default> && can_send_function<wide>);
static_assert(can_send_function<without_state<int(int)>>);
static_assert(!can_send_function<with_member> && !can_send_function<not_made_again>);
static_assert(!can_send_function<std::function<int(int)>> && !can_send_function<int (point::*)() const>);
static_assert(!can_send_function<decltype(std::bind(cube, 1))> && !can_send_function<double point::*>);
static_assert(can_send_function<decltype(fargs(power, 3))> && can_send_function<const decltype(fargs(power, 3))&>);
static_assert(can_send_function<decltype(fargs(power))> && can_send_function<decltype(fargs(fargs(power, 3), 2))>);
static_assert(can_send_function<decltype(fargs(power, std::make_unique<int>(1)))>);
static_assert(!can_send_function<decltype(fargs(power, std::ref(power)))>);
static_assert(!can_send_function<decltype(fargs(power, "text"))> && can_send_function<decltype(fargs(power, "text"s))>);
static_assert(!can_send_function<decltype(fargs(power, std::make_shared<int>(1)))>);
static_assert(!can_send_function<decltype(fargs(with_member{1}, 3))>);
static_assert(!can_send_function<decltype(fargs(fargs(with_member{1}, 3), 2))>);
static_assert(!can_send_function<decltype(fargs(&point::scaled, 2.0))>);
// An f without state takes no room.
static_assert(sizeof(fargs(std::plus<>(), 3)) == sizeof(int));

TEST(sent_function, functions_go_as_their_addresses) {
  EXPECT_EQ(sent_and_received(cube), &cube);
  EXPECT_EQ(sent_and_received(&power), &power);
  EXPECT_EQ(sent(cube).size(), sizeof(void*));
}

TEST(sent_function, an_empty_class_takes_nothing) {
  const auto f = [](int x) { return x + 1; };
  EXPECT_EQ(sent_and_received(f)(1), 2);
  EXPECT_EQ(sent_and_received(std::plus<>())(1, 2), 3);
  EXPECT_EQ(sent_and_received(without_default(0))(1), -1);
  EXPECT_EQ(sent_and_received(wide())(1), 65);
  EXPECT_TRUE(sent(f).empty());
}

TEST(sent_function, fixed_values_go_along) {
  EXPECT_EQ(sent_and_received(fargs(power, 3))(2), 8);
  EXPECT_EQ(sent_and_received(fargs(power))(2, 3), 8);
  const auto digits = [](int a, int b, int c) { return 100 * a + 10 * b + c; };
  EXPECT_EQ(sent_and_received(fargs(digits, 2, 3))(1), 123);
  EXPECT_EQ(sent_and_received(fargs(fargs(digits, 3), 2))(1), 123);
  const auto join = [](int x, const std::string& text, const std::vector<std::string>& more) {
    return text + std::to_string(x) + more.at(1);
  };
  EXPECT_EQ(sent_and_received(fargs(join, "a"s, std::vector{"b"s, "c"s}))(1), "a1c");
  const auto f = fargs([](int x, const std::unique_ptr<int>& p) { return x + *p; }, std::make_unique<int>(40));
  EXPECT_EQ(sent_and_received(f)(2), 42);
}

TEST(sent_function, a_context_comes_first) {
  const auto f = fargs([](parmap::context& self, int x, int by) { return static_cast<int>(self.index()) + by * x; }, 7);
  const std::vector<int> xs{1, 2};
  EXPECT_EQ(parmap::map(parmap::serial, sent_and_received(f), xs).value(), (std::vector{7, 15}));
}

template <class F>
std::vector<const void*> addresses(const F& f) {
  std::vector<const void*> all;
  parmap::detail::for_each_code_address(f, [&all](const void* each) { all.push_back(each); });
  return all;
}

TEST(sent_function, addresses) {
  const std::vector at_power{reinterpret_cast<const void*>(&power)};
  EXPECT_EQ(addresses(power), at_power);
  EXPECT_EQ(addresses(&power), at_power);
  EXPECT_EQ(addresses(fargs(fargs(power, 3), 2)), at_power);
  EXPECT_EQ(addresses(static_cast<int (*)(int)>(nullptr)), std::vector<const void*>{nullptr});
  EXPECT_TRUE(addresses(std::plus<>()).empty());
  EXPECT_TRUE(addresses(fargs(std::plus<>(), 1)).empty());
}

}  // namespace
