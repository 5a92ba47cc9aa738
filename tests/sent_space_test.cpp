// SPDX-License-Identifier: MIT
// Index spaces of every kind for a pool's workers, as bytes and back.
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/parmap.hpp>

#include "coded_types.hpp"
#include "property.hpp"
#include "sent_bytes.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <ranges>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using parmap::decoder;
using parmap::encoder;
using parmap::product;
using parmap::zip;
using parmap::detail::can_send_space;
using parmap::detail::make_axis;
using parmap::detail::numbered_tasks;
using parmap::detail::received_space;
using parmap::detail::result_of;
using parmap::detail::tuple_at;
using namespace std::string_literals;

template <class Space>
using elements_of = typename received_space<Space>::elements;
template <class... Elements>
using list_of = parmap::detail::list<Elements...>;
template <class Range>
using axis_of = parmap::detail::axis_of<Range>;

template <class Range, class Element>
inline constexpr bool arrives_as = std::same_as<elements_of<axis_of<Range>>, list_of<Element>>;

static_assert(arrives_as<std::vector<int>&, int&> && arrives_as<const std::vector<int>&, const int&>);
static_assert(arrives_as<std::vector<int>, int&> && arrives_as<std::span<const int>, const int&>);
static_assert(arrives_as<std::list<std::string>&, std::string&> && arrives_as<std::set<int>&, const int&>);
static_assert(arrives_as<std::map<int, std::string>&, std::pair<const int, std::string>&>);
static_assert(arrives_as<std::vector<bool>&, bool> && arrives_as<const std::vector<bool>&, bool>);
static_assert(arrives_as<std::array<bool, 2>&, bool&> && arrives_as<std::ranges::iota_view<int, int>, int>);
static_assert(std::same_as<elements_of<decltype(product(std::declval<std::vector<int>&>(), std::vector<bool>()))>,
                           list_of<int&, bool>>);

struct same_element {
  template <class X>
  X operator()(X&& x) const;
};
// The result is of the same type in the caller and in a worker.
template <class Range>
inline constexpr bool keeps_result =
    std::same_as<result_of<same_element, axis_of<Range>>, result_of<same_element, received_space<axis_of<Range>>>>;
template <class X>
using moved_out = std::ranges::transform_view<std::ranges::ref_view<std::vector<X>>, X && (*)(X&)>;
static_assert(keeps_result<std::vector<int>&> && keeps_result<const std::vector<std::string>&>);
static_assert(keeps_result<std::set<int>> && keeps_result<std::map<int, std::string>> && keeps_result<std::string>);
static_assert(keeps_result<std::ranges::iota_view<long, long>> && keeps_result<const std::vector<bool>&>);
static_assert(keeps_result<std::ranges::istream_view<double>> && keeps_result<moved_out<std::string>>);

static_assert(!can_send_space<axis_of<std::vector<std::string_view>>> && !can_send_space<axis_of<std::vector<int*>>>);
static_assert(!can_send_space<axis_of<std::vector<std::shared_ptr<int>>>>);
static_assert(can_send_space<axis_of<std::vector<std::unique_ptr<int>>>>);
static_assert(can_send_space<axis_of<int (&)[2][3]>> && !can_send_space<axis_of<int* (&)[2][3]>>);
static_assert(!can_send_space<axis_of<std::string (&)[2][3]>>);
static_assert(!can_send_space<decltype(product(std::vector<int>(), zip(std::vector<int>(), std::vector<int*>())))>);

// The space that arrives has the same elements, and so a map over it the same results.
template <class Space>
received_space<Space> expect_arrives(const Space& space) {
  static_assert(parmap::detail::check_sent_space<Space>());
  auto there = received_as<Space>(sent_space(space));
  EXPECT_EQ(there.size(), space.size());
  if (there.size() != space.size()) return there;
  const auto copy = [](const auto&... x)
    requires(std::copy_constructible<std::remove_cvref_t<decltype(x)>> && ...)
  { return std::make_tuple(x...); };
  const numbered_tasks<decltype(copy), received_space<Space>> tasks(copy, there);
  parmap::context self(1, 0);
  std::uint64_t calls = 0;
  tasks.for_each(0, there.size(), self, [&](std::uint64_t i, auto& call) {
    EXPECT_EQ(tuple_at(there, i), tuple_at(space, i)) << i;
    EXPECT_EQ(call(), tuple_at(space, i)) << i;
    ++calls;
    return true;
  });
  EXPECT_EQ(calls, space.size());
  return there;
}
template <class Range>
auto expect_axis_arrives(Range&& range) {
  return expect_arrives(make_axis(std::forward<Range>(range)));
}

// What show() shows of the first element.
struct shown {
  std::string text{};
  template <class T>
  void add(const T& it) {
    if constexpr (requires { std::to_string(it); }) text += std::to_string(it) + ";";
    else text += it + ";";
  }
  void add_unknown() { text += "?;"; }
};
template <class Space>
std::string text_of(const Space& space, std::uint64_t i) {
  shown to;
  space.show(i, to);
  return to.text;
}

struct row {
  int number{};
  std::string name{};
  bool operator==(const row&) const = default;
};

TEST(sent_space, stored_elements) {
  std::vector<int> numbers{1, 2, 3};
  expect_axis_arrives(numbers);
  expect_axis_arrives(std::as_const(numbers));
  expect_axis_arrives(std::vector{1.5, 2.5});
  expect_axis_arrives(std::span(numbers).subspan(1));
  expect_axis_arrives(std::array{true, false});
  expect_axis_arrives(std::vector<int>());
  expect_axis_arrives(std::vector{"a"s, ""s, std::string(1000, 'x')});
  expect_axis_arrives(std::vector<std::vector<std::string>>{{"a"}, {}, {"b", "c"}});
  expect_axis_arrives(std::deque{1, 2, 3});
  expect_axis_arrives("text");
  expect_axis_arrives(std::vector<row>{{1, "one"}, {2, "two"}});
  expect_axis_arrives(std::vector<coded::pod>{{1, 1.5}, {2, 2.5}});
  expect_axis_arrives(std::vector<coded::constant>{{1.5}, {2.5}});
  expect_axis_arrives(std::vector<coded::image>{{1, {1, 2}}, {2, {3, 4}}});
  expect_axis_arrives(std::vector<coded::silent>(3));
}

TEST(sent_space, walked_elements) {
  expect_axis_arrives(std::list{"a"s, "b"s});
  expect_axis_arrives(std::forward_list{1, 2});
  expect_axis_arrives(std::set{3, 1, 2});
  expect_axis_arrives(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_axis_arrives(std::vector{1, 2, 3, 4} | std::views::filter([](int x) { return x % 2 == 0; }));
  expect_axis_arrives(std::string("a b") | std::views::take_while([](char c) { return c != ' '; }));
}

TEST(sent_space, computed_elements) {
  const std::vector<int> xs{1, 2, 3};
  expect_axis_arrives(xs | std::views::transform([](int x) { return 0.5 * x; }));
  expect_axis_arrives(xs | std::views::transform([](int x) { return std::to_string(x); }));
  expect_axis_arrives(std::views::iota(0, 5) | std::views::transform([](int x) { return x % 2 == 0; }));
  expect_axis_arrives(xs | std::views::reverse);
  expect_axis_arrives(std::vector<row>{{1, "one"}} | std::views::transform(&row::name));
}

TEST(sent_space, elements_that_can_be_read_once) {
  std::istringstream in("1 2 3");
  expect_axis_arrives(std::views::istream<int>(in));
  std::istringstream bits("1 0 1");
  const auto there = expect_axis_arrives(std::views::istream<bool>(bits));
  EXPECT_EQ(there.size(), 3);
}

TEST(sent_space, bits) {
  std::vector<bool> bits{true, false, true};
  expect_axis_arrives(bits);
  expect_axis_arrives(std::as_const(bits));
  expect_axis_arrives(std::vector<bool>());
}

TEST(sent_space, an_iota_goes_as_two_numbers) {
  expect_axis_arrives(std::views::iota(-2, 3));
  expect_axis_arrives(std::views::iota(3, 3));
  expect_axis_arrives(std::views::iota(0U, 3U));
  expect_axis_arrives(std::views::iota(std::uint8_t{250}, std::uint8_t{255}));
  expect_axis_arrives(std::views::iota(std::size_t{1}, std::size_t{4}));
  expect_axis_arrives(std::views::iota('a', 'e'));
  expect_axis_arrives(std::views::iota(std::int64_t{-1}, std::int64_t{2}));
  expect_axis_arrives(std::views::iota(INT64_MAX - 2, INT64_MAX));
  const auto large = make_axis(std::views::iota(std::int64_t{-5}, std::int64_t{1} << 60));
  const bytes small = sent_space(large);
  EXPECT_EQ(small.size(), 16);
  const auto there = received_as<decltype(large)>(small);
  EXPECT_EQ(there.size(), large.size());
  EXPECT_EQ(tuple_at(there, there.size() - 1), std::tuple((std::int64_t{1} << 60) - 1));
}

TEST(sent_space, arrays_as_elements) {
  const double matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
  const auto rows = make_axis(matrix);
  const auto there = received_as<decltype(rows)>(sent_space(rows));
  ASSERT_EQ(there.size(), 2);
  there.spread(1, [](const double(&x)[3]) { EXPECT_EQ(x[2], 6); });
}

TEST(sent_space, elements_that_only_move) {
  std::vector<std::unique_ptr<int>> all;
  all.push_back(std::make_unique<int>(7));
  all.emplace_back();
  const auto axis = make_axis(all);
  const auto there = received_as<decltype(axis)>(sent_space(axis));
  ASSERT_EQ(there.size(), 2);
  there.spread(0, [](const std::unique_ptr<int>& it) { EXPECT_EQ(*it, 7); });
  there.spread(1, [](const std::unique_ptr<int>& it) { EXPECT_EQ(it, nullptr); });
  EXPECT_EQ(*all[0], 7);
}

// What an iterator returns instead of a reference to a row.
struct row_reference {
  int* number;
  std::string* name;
  operator row() const { return {*number, *name}; }  // NOLINT(google-explicit-constructor)
};
struct columns_iterator {
  using value_type = row;
  using difference_type = std::ptrdiff_t;
  int* number{};
  std::string* name{};
  row_reference operator*() const { return {number, name}; }
  columns_iterator& operator++() {
    ++number;
    ++name;
    return *this;
  }
  columns_iterator operator++(int) {
    columns_iterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const columns_iterator&) const = default;
};
static_assert(std::forward_iterator<columns_iterator>);

TEST(sent_space, of_a_proxy_its_value_goes) {
  std::vector<int> numbers{1, 2};
  std::vector names{"one"s, "two"s};
  const std::ranges::subrange rows(columns_iterator{numbers.data(), names.data()},
                                   columns_iterator{numbers.data() + 2, names.data() + 2});
  const auto axis = make_axis(rows);
  static_assert(std::same_as<elements_of<decltype(axis)>, list_of<row>>);
  const auto there = received_as<decltype(axis)>(sent_space(axis));
  ASSERT_EQ(there.size(), 2);
  EXPECT_EQ(tuple_at(there, 1), std::tuple(row{2, "two"}));
#ifdef __cpp_lib_ranges_zip
  const auto zipped = make_axis(std::views::zip(numbers, names));
  const auto pairs = received_as<decltype(zipped)>(sent_space(zipped));
  EXPECT_EQ(std::get<0>(tuple_at(pairs, 1)), std::tuple(2, "two"s));
#endif
}

TEST(sent_space, an_element_to_be_moved_is_a_copy) {
  std::vector names{"one"s, "two"s};
  const auto axis =
      make_axis(names | std::views::transform([](std::string& it) -> std::string&& { return std::move(it); }));
  const auto there = received_as<decltype(axis)>(sent_space(axis));
  EXPECT_EQ(names[0], "one");
  const auto take = [](std::string&& it) { return std::string(std::move(it)); };
  EXPECT_EQ(there.spread(0, take), "one");
  EXPECT_EQ(there.spread(0, take), "one");
  // A reference to the copy would dangle.
  EXPECT_EQ(there.spread(0, [](std::string&& it) -> std::string&& { return std::move(it); }), "one");
}

TEST(sent_space, references_lead_to_the_elements_of_the_worker) {
  std::vector<int> numbers{1, 2};
  const auto axis = make_axis(numbers);
  const auto there = received_as<decltype(axis)>(sent_space(axis));
  const auto copy = there;
  there.spread(0, [](int& x) { x = 7; });
  EXPECT_EQ(copy.spread(0, [](int& x) { return x; }), 7);
  EXPECT_EQ(numbers[0], 1);
}

TEST(sent_space, products_and_zips) {
  std::vector<int> a{1, 2, 3};
  const std::list b{"x"s, "y"s, "z"s};
  const std::vector<bool> c{true, false};
  expect_arrives(product(a));
  expect_arrives(product(a, b));
  expect_arrives(zip(a, b));
  expect_arrives(product(a, b, c, std::views::iota(0, 2)));
  expect_arrives(product(zip(a, b), c));
  expect_arrives(zip(product(a, c), std::views::iota(0, 6)));
  expect_arrives(product(product(a, c), zip(a, zip(b, a)), std::vector<int>()));
  expect_arrives(product(product(product(a)), std::views::iota(1U, 4U)));
}

TEST(sent_space, shows_its_elements) {
  const std::vector<int> a{1, 2};
  const auto space = product(a, std::list{"x"s, "y"s}, a | std::views::transform([](int x) { return 10 * x; }));
  EXPECT_EQ(text_of(space, 7), "2;y;?;");
  EXPECT_EQ(text_of(expect_arrives(space), 7), "2;y;20;");
}

TEST(sent_space, each_element_is_read_once_in_order) {
  std::vector<int> asked;
  const std::vector<int> xs{1, 2, 3};
  const auto axis = make_axis(xs | std::views::transform([&asked](int x) {
                                asked.push_back(x);
                                return x;
                              }));
  sent_space(axis);
  EXPECT_EQ(asked, xs);
}

TEST(sent_space, what_an_axis_throws_passes) {
  const auto axis = make_axis(std::views::iota(0, 3) | std::views::transform([](int x) {
                                return x < 2 ? std::to_string(x) : throw std::runtime_error("no element 2");
                              }));
  EXPECT_THROW(sent_space(axis), std::runtime_error);
  EXPECT_THROW(sent_space(make_axis(std::vector(1, std::string(1 << 17, 'x')))), std::bad_alloc);
}

TEST(sent_space, a_part_of_an_axis) {
  const std::vector<int> xs{1, 2, 3, 4};
  const std::list names{"a"s, "b"s, "c"s};
  const auto numbers = [](const bytes& from) {
    return read_from(from, [](decoder& in) { return parmap::detail::received_elements<int>(in); });
  };
  const auto part =
      numbers(written_by([&](encoder& out) { parmap::detail::encode_elements<int>(out, make_axis(xs), 1, 2); }));
  ASSERT_EQ(part.size(), 2);
  EXPECT_EQ(part[0], 2);
  EXPECT_EQ(part[1], 3);
  const auto none =
      numbers(written_by([&](encoder& out) { parmap::detail::encode_elements<int>(out, make_axis(xs), 4, 0); }));
  EXPECT_EQ(none.size(), 0);
  const bytes last =
      written_by([&](encoder& out) { parmap::detail::encode_elements<std::string>(out, make_axis(names), 2, 1); });
  const auto name = read_from(last, [](decoder& in) { return parmap::detail::received_elements<std::string>(in); });
  ASSERT_EQ(name.size(), 1);
  EXPECT_EQ(name[0], "c");
}

TEST(sent_space, any_axes) {
  check_property([](const std::vector<int>& a, const std::vector<std::string>& b, const std::vector<bool>& c) {
    const std::set<std::string> sorted(b.begin(), b.end());
    const auto each = std::views::iota(std::size_t{0}, a.size());
    expect_axis_arrives(c);
    expect_arrives(zip(a, each));
    if (a.size() * b.size() * c.size() < 1000) expect_arrives(product(zip(a, each), sorted, c, b));
    RC_ASSERT(!testing::Test::HasFailure());
  });
}

}  // namespace
