// SPDX-License-Identifier: MIT
// The index space: product and zip map an index to a tuple of references to the elements, last axis fastest.
#include <parmap/product.hpp>

#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <limits>
#include <list>
#include <memory>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::product;
using parmap::zip;

template <class Space>
using element = decltype(std::declval<const Space&>()[0]);

// Returns every combination of a space as text, read by index.
template <class Space>
std::vector<std::string> all_of(const Space& space) {
  std::vector<std::string> all;
  for (std::uint64_t i = 0; i < space.size(); ++i) {
    std::ostringstream text;
    std::apply([&text](const auto&... x) { ((text << x << ' '), ...); }, space[i]);
    all.push_back(text.str());
  }
  return all;
}

// Returns the same, read by a cursor that starts at `from`.
template <class Space>
std::vector<std::string> walk_from(const Space& space, std::uint64_t from) {
  std::vector<std::string> all;
  if (from == space.size()) return all;
  auto at = space.cursor(from);
  for (std::uint64_t i = from; i < space.size(); ++i, ++at) {
    std::ostringstream text;
    at.spread([&text](const auto&... x) { ((text << x << ' '), ...); });
    all.push_back(text.str());
  }
  return all;
}

template <class Space>
void expect_cursors_agree(const Space& space) {
  const auto expected = all_of(space);
  for (std::uint64_t from = 0; from <= space.size(); ++from) {
    const std::vector<std::string> rest(expected.begin() + static_cast<std::ptrdiff_t>(from), expected.end());
    ASSERT_EQ(walk_from(space, from), rest) << "from " << from;
  }
}

// The digits of every combination of axes of these sizes, computed independently: the last digit is fastest.
std::vector<std::vector<int>> odometer(const std::vector<int>& sizes) {
  std::vector<std::vector<int>> all;
  std::vector<int> digits(sizes.size(), 0);
  for (const int n : sizes)
    if (n == 0) return all;
  for (;;) {
    all.push_back(digits);
    std::size_t axis = sizes.size();
    while (axis > 0 && ++digits[axis - 1] == sizes[axis - 1]) digits[--axis] = 0;
    if (axis == 0) return all;
  }
}

std::vector<int> count_to(int n) {
  std::vector<int> all;
  for (int k = 0; k < n; ++k) all.push_back(k);
  return all;
}

std::vector<std::string> as_text(const std::vector<std::vector<int>>& all) {
  std::vector<std::string> text;
  for (const auto& one : all) {
    text.emplace_back();
    for (const int digit : one) text.back() += std::to_string(digit) + ' ';
  }
  return text;
}

TEST(product, last_axis_is_fastest) {
  const std::vector<std::string> names{"a", "b"};
  const std::vector<int> numbers{1, 2, 3};
  EXPECT_EQ(all_of(product(names, numbers)),
            (std::vector<std::string>{"a 1 ", "a 2 ", "a 3 ", "b 1 ", "b 2 ", "b 3 "}));
}

TEST(product, cursors_equal_indexing_for_all_small_shapes) {
  for (int a = 0; a <= 4; ++a) {
    expect_cursors_agree(product(count_to(a)));
    EXPECT_EQ(all_of(product(count_to(a))), as_text(odometer({a})));
    for (int b = 0; b <= 4; ++b) {
      expect_cursors_agree(product(count_to(a), count_to(b)));
      EXPECT_EQ(all_of(product(count_to(a), count_to(b))), as_text(odometer({a, b})));
      for (int c = 0; c <= 3; ++c) {
        const auto space = product(count_to(a), count_to(b), count_to(c));
        expect_cursors_agree(space);
        EXPECT_EQ(all_of(space), as_text(odometer({a, b, c}))) << a << ' ' << b << ' ' << c;
      }
    }
  }
}

TEST(product, an_empty_axis_makes_it_empty) {
  const std::vector<int> none;
  const std::vector<int> some{1, 2};
  EXPECT_EQ(product(none).size(), 0U);
  EXPECT_EQ(product(none, some).size(), 0U);
  EXPECT_EQ(product(some, none).size(), 0U);
  EXPECT_EQ(zip(none, none).size(), 0U);
}

TEST(product, refers_to_lvalues_in_place) {
  std::vector<int> numbers{1, 2};
  const std::vector<std::string> names{"a", "b", "c"};
  std::array<double, 2> real{1.5, 2.5};
  int plain[] = {7, 8};
  const auto space = product(numbers, names, real, plain);
  static_assert(std::same_as<element<decltype(space)>, std::tuple<int&, const std::string&, double&, int&>>);
  std::uint64_t i = 0;
  for (int& number : numbers)
    for (const std::string& name : names)
      for (double& x : real)
        for (int& p : plain) {
          const auto at = space[i++];
          EXPECT_EQ(&std::get<0>(at), &number);
          EXPECT_EQ(&std::get<1>(at), &name);
          EXPECT_EQ(&std::get<2>(at), &x);
          EXPECT_EQ(&std::get<3>(at), &p);
        }
  EXPECT_EQ(i, space.size());
}

TEST(product, owns_temporaries_also_when_it_moves) {
  // Short contents, so that characters and elements lie inside the object that is moved.
  auto space = std::make_unique<decltype(product(std::string("ab"), std::array{1, 2}, std::vector{3}))>(
      product(std::string("ab"), std::array{1, 2}, std::vector{3}));
  const std::vector<std::string> expected{"a 1 3 ", "a 2 3 ", "b 1 3 ", "b 2 3 "};
  EXPECT_EQ(all_of(*space), expected);
  const auto moved = std::move(*space);
  space.reset();
  EXPECT_EQ(all_of(moved), expected);
  const auto copy = moved;
  EXPECT_EQ(&std::get<0>(copy[0]), &std::get<0>(moved[0]));  // shared, not copied
}

TEST(product, owns_move_only_temporaries) {
  std::vector<std::unique_ptr<int>> numbers;
  numbers.push_back(std::make_unique<int>(5));
  const int* five = numbers[0].get();
  const auto space = product(std::move(numbers));
  EXPECT_EQ(std::get<0>(space[0]).get(), five);
}

TEST(product, owns_views_whose_iterators_point_into_them) {
  const std::vector<int> numbers{1, 2, 3};
  const int offset = static_cast<int>(numbers.size()) + 7;
  auto make = [&] { return product(numbers | std::views::transform([offset](int x) { return x + offset; })); };
  auto made = make();
  const auto space = std::move(made);
  EXPECT_EQ(all_of(space), (std::vector<std::string>{"11 ", "12 ", "13 "}));
  const auto filtered = product(numbers | std::views::filter([offset](int x) { return x + offset != 12; }));
  EXPECT_EQ(all_of(filtered), (std::vector<std::string>{"1 ", "3 "}));
  const auto owning = product(std::vector{1, 2, 3} | std::views::transform([](int x) { return 2 * x; }));
  EXPECT_EQ(all_of(owning), (std::vector<std::string>{"2 ", "4 ", "6 "}));
}

TEST(product, views_are_indexed_lazily) {
  int calls = 0;
  const auto space = product(std::views::iota(0, 100) | std::views::transform([&calls](int x) {
                               ++calls;
                               return x;
                             }));
  EXPECT_EQ(space.size(), 100U);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(std::get<0>(space[42]), 42);
  EXPECT_EQ(calls, 1);
}

TEST(product, walks_what_cannot_be_indexed) {
  std::list<int> numbers{1, 2};
  const std::set<std::string> names{"b", "a"};
  const std::forward_list<char> letters{'x', 'y'};
  const auto space = product(numbers, names, letters);
  EXPECT_EQ(all_of(space),
            (std::vector<std::string>{"1 a x ", "1 a y ", "1 b x ", "1 b y ", "2 a x ", "2 a y ", "2 b x ", "2 b y "}));
  EXPECT_EQ(&std::get<0>(space[0]), &numbers.front());
  EXPECT_EQ(&std::get<1>(space[0]), &*names.begin());
  expect_cursors_agree(space);
  EXPECT_EQ(all_of(product(std::list{4, 5})), (std::vector<std::string>{"4 ", "5 "}));
  const auto short_ones = numbers | std::views::take_while([](int x) { return x < 2; });
  EXPECT_EQ(all_of(product(short_ones)), (std::vector<std::string>{"1 "}));
}

TEST(product, reads_an_input_range_once) {
  std::istringstream in("3 1 2");
  auto numbers = std::views::istream<int>(in);
  const auto space = product(numbers, std::vector{0, 1});
  EXPECT_TRUE(in.eof());
  for (int repeat = 0; repeat < 2; ++repeat)
    EXPECT_EQ(all_of(space), (std::vector<std::string>{"3 0 ", "3 1 ", "1 0 ", "1 1 ", "2 0 ", "2 1 "}));
  static_assert(std::same_as<std::tuple_element_t<0, element<decltype(space)>>, const int&>);

  std::istringstream words("a b");
  EXPECT_EQ(all_of(product(std::views::istream<std::string>(words))), (std::vector<std::string>{"a ", "b "}));
}

TEST(product, takes_wide_iota) {
  constexpr long least = std::numeric_limits<long>::min();
  constexpr long most = std::numeric_limits<long>::max();
  const auto whole = product(std::views::iota(least, most));
  EXPECT_EQ(whole.size(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(std::get<0>(whole[0]), least);
  EXPECT_EQ(std::get<0>(whole[std::uint64_t{1} << 63]), 0);
  EXPECT_EQ(std::get<0>(whole[whole.size() - 1]), most - 1);
  const auto natural = product(std::views::iota(std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_EQ(std::get<0>(natural[natural.size() - 1]), std::numeric_limits<std::uint64_t>::max() - 1);
  EXPECT_EQ(all_of(product(std::views::iota(3L, 5L))), (std::vector<std::string>{"3 ", "4 "}));
}

TEST(product, takes_vector_of_bool) {
  std::vector<bool> flags{true, false};
  const auto space = product(flags, std::as_const(flags));
  static_assert(std::same_as<element<decltype(space)>, std::tuple<std::vector<bool>::reference, bool>>);
  EXPECT_EQ(all_of(space), (std::vector<std::string>{"1 1 ", "1 0 ", "0 1 ", "0 0 "}));
  EXPECT_EQ(all_of(product(std::vector<bool>{false, true})), (std::vector<std::string>{"0 ", "1 "}));
}

TEST(product, const_ranges_give_const_references) {
  const std::deque<int> numbers{1, 2};
  const auto space = product(numbers, std::as_const(numbers) | std::views::reverse);
  static_assert(std::same_as<element<decltype(space)>, std::tuple<const int&, const int&>>);
  EXPECT_EQ(all_of(space), (std::vector<std::string>{"1 2 ", "1 1 ", "2 2 ", "2 1 "}));
}

TEST(product, nests) {
  const std::vector<int> a{1, 2};
  const std::vector<char> b{'x', 'y'};
  const std::vector<int> c{7, 8};
  const auto outer = product(a, zip(b, c));
  static_assert(std::same_as<element<decltype(outer)>, std::tuple<const int&, const char&, const int&>>);
  EXPECT_EQ(all_of(outer), (std::vector<std::string>{"1 x 7 ", "1 y 8 ", "2 x 7 ", "2 y 8 "}));
  EXPECT_EQ(&std::get<2>(outer[1]), &c[1]);
  expect_cursors_agree(outer);
}

TEST(product, nested_product_is_the_flat_one) {
  const auto a = count_to(2);
  const auto b = count_to(3);
  const auto c = count_to(2);
  EXPECT_EQ(all_of(product(product(a, b), c)), all_of(product(a, b, c)));
  EXPECT_EQ(all_of(product(a, product(b, c))), all_of(product(a, b, c)));
  const auto inner = product(b, c);  // an lvalue space is shared
  EXPECT_EQ(all_of(product(a, inner)), all_of(product(a, b, c)));
  expect_cursors_agree(product(product(a, b), c));
}

TEST(product, two_to_the_64_is_too_much) {
  const auto half = std::views::iota(std::uint64_t{0}, std::uint64_t{1} << 32);
  const auto just_fits = product(half, std::views::iota(std::uint64_t{0}, (std::uint64_t{1} << 32) - 1));
  EXPECT_EQ(just_fits.size(), 0xffff'ffff'0000'0000U);
  EXPECT_EQ(just_fits[just_fits.size() - 1], std::tuple(0xffff'ffffU, 0xffff'fffeU));
  EXPECT_THROW(static_cast<void>(product(half, half)), std::length_error);
  EXPECT_THROW(static_cast<void>(product(std::vector{1, 2}, half, half)), std::length_error);
  EXPECT_THROW(static_cast<void>(product(half, product(half, std::vector{1, 2}))), std::length_error);
}

TEST(product, nothing_times_too_much_is_nothing) {
  const auto half = std::views::iota(std::uint64_t{0}, std::uint64_t{1} << 32);
  const std::vector<int> none;
  EXPECT_EQ(product(none, half, half).size(), 0U);
  EXPECT_EQ(product(half, half, none).size(), 0U);
}

TEST(product, equals_an_odometer_for_random_shapes) {
  check_property([] {
    const auto sizes = *rc::gen::container<std::vector<int>>(
        5, rc::gen::weightedOneOf<int>({{19, rc::gen::inRange(1, 8)}, {1, rc::gen::just(0)}}));
    std::vector<std::vector<int>> axes;
    for (const int n : sizes) axes.push_back(count_to(n));
    const auto space = product(axes[0], axes[1], product(axes[2], axes[3]), axes[4]);
    const auto expected = as_text(odometer(sizes));
    RC_ASSERT(all_of(space) == expected);
    const auto from = *rc::gen::inRange<std::uint64_t>(0, space.size() + 1);
    RC_ASSERT(walk_from(space, from) ==
              std::vector<std::string>(expected.begin() + static_cast<std::ptrdiff_t>(from), expected.end()));
  });
}

TEST(zip, walks_in_lockstep) {
  std::vector<int> numbers{1, 2, 3};
  const std::list<std::string> names{"a", "b", "c"};
  const auto space = zip(numbers, names, std::views::iota(7L, 10L));
  static_assert(std::same_as<element<decltype(space)>, std::tuple<int&, const std::string&, long>>);
  EXPECT_EQ(all_of(space), (std::vector<std::string>{"1 a 7 ", "2 b 8 ", "3 c 9 "}));
  EXPECT_EQ(&std::get<0>(space[2]), &numbers[2]);
  expect_cursors_agree(space);
}

TEST(zip, nests) {
  const std::vector<int> a{1, 2};
  const std::vector<char> b{'x', 'y'};
  const auto space = zip(product(a, b), std::vector{1, 2, 3, 4});
  EXPECT_EQ(all_of(space), (std::vector<std::string>{"1 x 1 ", "1 y 2 ", "2 x 3 ", "2 y 4 "}));
  expect_cursors_agree(space);
  EXPECT_EQ(all_of(zip(zip(a, b), a)), all_of(zip(a, b, a)));
}

std::string message_of_unequal_zip(std::size_t first, std::size_t second, std::size_t third) {
  try {
    static_cast<void>(zip(std::vector<int>(first), std::vector<int>(second), std::vector<int>(third)));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(zip, unequal_lengths_are_refused) {
  EXPECT_EQ(message_of_unequal_zip(2, 3, 2), "parmap::zip: the axes have unequal lengths: axis 1 has 2, axis 2 has 3");
  EXPECT_EQ(message_of_unequal_zip(2, 2, 0), "parmap::zip: the axes have unequal lengths: axis 1 has 2, axis 3 has 0");
  EXPECT_EQ(message_of_unequal_zip(2, 2, 2), "nothing thrown");
}

}  // namespace
