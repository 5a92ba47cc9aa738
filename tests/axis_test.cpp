// SPDX-License-Identifier: MIT
// Named axes: their names in failures, and results as comma-separated values.
#include "engines.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

template <class Results>
std::string csv(const Results& all) {
  std::ostringstream out;
  all.write_csv(out);
  return out.str();
}

struct point {
  double x;
  int y;
};

struct without_text {
  int x;
};

template <class Engine>
class axis_skipping : public ::testing::Test {};
TYPED_TEST_SUITE(axis_skipping, engines::skipping, engines::names);

TYPED_TEST(axis_skipping, names_stand_in_failures) {
  const auto f = [](double mu, const std::string& side) -> double {
    if (side == "left") throw std::runtime_error("no convergence");
    return mu;
  };
  const auto all = parmap::map(TypeParam::engine, f, parmap::axis("mu", std::vector{-0.25, 2.0}),
                               parmap::axis("side", std::vector<std::string>{"left", "right"}));
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[1].inputs, "mu=2, side=\"left\"");
  EXPECT_EQ(csv(all), "mu,side,value,_kind,_message,_attempts\n"
                      "-0.25,left,,threw,std::runtime_error: no convergence,1\n"
                      "-0.25,right,-0.25,ok,,\n"
                      "2,left,,threw,std::runtime_error: no convergence,1\n"
                      "2,right,2,ok,,\n");
}

TYPED_TEST(axis_skipping, names_in_zip_and_product) {
  const auto f = [](int a, int b, int c, int d) -> int {
    if (d == 4) throw std::runtime_error("four");
    return a + b + c + d;
  };
  const std::vector c{5, 6};
  const auto all = parmap::map(
      TypeParam::engine, f, parmap::zip(parmap::axis("a", std::vector{1, 2}), parmap::axis("b", std::vector{10, 20})),
      c, parmap::axis("d", std::vector{3, 4}));
  EXPECT_EQ(all.failures()[1].inputs, "a=1, b=10, 6, d=4");
  EXPECT_EQ(csv(all), "a,b,d,value,_kind,_message,_attempts\n"
                      "1,10,3,19,ok,,\n"
                      "1,10,4,,threw,std::runtime_error: four,1\n"
                      "1,10,3,20,ok,,\n"
                      "1,10,4,,threw,std::runtime_error: four,1\n"
                      "2,20,3,30,ok,,\n"
                      "2,20,4,,threw,std::runtime_error: four,1\n"
                      "2,20,3,31,ok,,\n"
                      "2,20,4,,threw,std::runtime_error: four,1\n");
}

TEST(axis, takes_over_the_memory_of_a_temporary_vector) {
  std::vector<std::string> names{"a", "b"};
  const std::string* const where = names.data();
  const auto axis = parmap::axis("name", std::move(names));
  EXPECT_EQ(axis.values().data(), where);
  const auto copy = axis;  // NOLINT(performance-unnecessary-copy-initialization): copies share
  EXPECT_EQ(copy.values().data(), where);
  EXPECT_EQ(axis.name(), "name");
  EXPECT_EQ(axis.size(), 2U);
}

TEST(axis, computes_each_element_of_a_view_once) {
  int computed = 0;
  const auto squares = std::views::iota(0, 4) | std::views::transform([&computed](int i) {
                         ++computed;
                         return i * i;
                       });
  const auto all = parmap::map(
      parmap::serial, [](int x, int y) { return x + y; }, parmap::axis("x", squares),
      parmap::axis("y", std::array{1, 2, 3}));
  EXPECT_EQ(computed, 4);
  EXPECT_EQ(all[11], 12);
}

TEST(axis, of_bits_and_of_what_can_be_read_once) {
  std::istringstream in("3 4");
  const auto all = parmap::map(
      parmap::threads, [](bool on, int x) { return on ? x : 0; }, parmap::axis("on", std::vector{true, false}),
      parmap::axis("x", std::views::istream<int>(in)));
  EXPECT_EQ(csv(all),
            "on,x,value,_kind,_message,_attempts\ntrue,3,3,ok,,\ntrue,4,4,ok,,\nfalse,3,0,ok,,\nfalse,4,0,ok,,\n");
}

TEST(axis, an_empty_name_is_refused) {
  EXPECT_THROW(std::ignore = parmap::axis("", std::vector{1}), std::invalid_argument);
}

double slope(double x, int n, bool down) { return down ? -x * n : x * n; }

TEST(axis, on_a_pool) {
  const parmap::pool workers({.workers = 2});
  const auto all =
      parmap::map(workers, slope, parmap::axis("x", std::vector{0.5, 1.5}), parmap::axis("n", std::views::iota(1, 3)),
                  parmap::axis("down", std::vector{false, true}));
  EXPECT_EQ(all[7], -3);
  EXPECT_TRUE(csv(all).starts_with("x,n,down,value,_kind,_message,_attempts\n0.5,1,false,0.5,ok,,\n0.5,1,true,-0.5,"));
}

TEST(write_csv, without_names) {
  const auto all = parmap::map(parmap::threads, [](int x) { return x; }, std::vector{7, 8});
  EXPECT_EQ(csv(all), "_task,value,_kind,_message,_attempts\n0,7,ok,,\n1,8,ok,,\n");
  EXPECT_EQ(csv(parmap::map(
                parmap::threads, [](int x) { return x; }, parmap::axis("x", std::vector<int>{}))),
            "x,value,_kind,_message,_attempts\n");
}

TEST(write_csv, without_values) {
  std::vector<int> out(2);
  const auto all =
      parmap::map_into(parmap::threads, out, [](int x) { return x; }, parmap::axis("x", std::vector{7, 8}));
  EXPECT_EQ(csv(all), "x,_kind,_message,_attempts\n7,ok,,\n8,ok,,\n");
}

TEST(write_csv, values_of_several_cells) {
  const std::vector xs{1, 2};
  EXPECT_EQ(csv(parmap::map(
                parmap::threads, [](int x) { return point{x / 2.0, x}; }, xs)),
            "_task,value_1,value_2,_kind,_message,_attempts\n0,0.5,1,ok,,\n1,1,2,ok,,\n");
  EXPECT_EQ(csv(parmap::map(
                parmap::threads, [](int x) { return std::tuple(x, std::string("a,b"), 'c'); }, xs)),
            "_task,value_1,value_2,value_3,_kind,_message,_attempts\n0,1,\"a,b\",c,ok,,\n1,2,\"a,b\",c,ok,,\n");
  EXPECT_EQ(csv(parmap::map(
                parmap::threads, [](int x) { return std::array{x, x + 1}; }, xs)),
            "_task,value_1,value_2,_kind,_message,_attempts\n0,1,2,ok,,\n1,2,3,ok,,\n");
}

TEST(write_csv, text_and_numbers_can_be_read_back) {
  const std::vector<std::string> texts{"", "plain", "a \"quoted\" one", "two\nlines", "1,5"};
  EXPECT_EQ(csv(parmap::map(
                parmap::threads, [](const std::string& x) { return x; }, texts)),
            "_task,value,_kind,_message,_attempts\n0,\"\",ok,,\n1,plain,ok,,\n2,\"a \"\"quoted\"\" one\",ok,,\n"
            "3,\"two\nlines\",ok,,\n4,\"1,5\",ok,,\n");
  constexpr double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(
      csv(parmap::map(
          parmap::threads, [](double x) { return x; }, std::vector{0.1, 1e300, -inf, 2.0 / 3.0})),
      "_task,value,_kind,_message,_attempts\n0,0.1,ok,,\n1,1e+300,ok,,\n2,-inf,ok,,\n3,0.6666666666666666,ok,,\n");
}

TEST(write_csv, an_input_without_text_is_a_question_mark) {
  const auto all = parmap::map(
      parmap::threads, [](const without_text& it) { return it.x; }, parmap::axis("it", std::vector<without_text>{{3}}));
  EXPECT_EQ(csv(all), "it,value,_kind,_message,_attempts\n?,3,ok,,\n");
}

TEST(write_csv, a_stream_that_fails_is_told) {
  const auto all = parmap::map(parmap::threads, [](int x) { return x; }, std::vector{7, 8});
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  EXPECT_THROW(all.write_csv(out), std::runtime_error);
}

}  // namespace
