// SPDX-License-Identifier: MIT
// Damaged bytes of functions and spaces are refused, and do no harm.
#include <parmap/parmap.hpp>

#include "coded_types.hpp"
#include "sent_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

namespace {

using parmap::bad_encoding;
using parmap::encoder;
using parmap::fargs;
using parmap::product;
using parmap::zip;
using parmap::detail::axis_of;
using parmap::detail::make_axis;
using namespace std::string_literals;

struct row {
  int number{};
  std::string name{};
};

int twice(int x) { return 2 * x; }

TEST(damaged_bytes, of_functions) {
  const auto f =
      fargs([](int, const std::vector<std::string>& all, bool) { return all.size(); }, std::vector{"a"s, "bc"s}, true);
  damage(sent(f), [](const bytes& from) { return received<decltype(f)>(from)(1); });
  damage(sent(twice), [](const bytes& from) { return received<int (*)(int)>(from); });
}

template <class Space>
void damage_space(const Space& space) {
  damage(sent_space(space), [](const bytes& from) {
    const auto there = received_as<Space>(from);
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(there.size(), 50); ++i)
      static_cast<void>(there.spread(i, [](const auto&... x) { return std::make_tuple(x...); }));
    return there.size();
  });
}

TEST(damaged_bytes, of_spaces) {
  const std::vector<int> a{1, 2, 3};
  const std::list b{"x"s, "y"s, "zz"s};
  damage_space(make_axis(a));
  damage_space(make_axis(b));
  damage_space(make_axis(std::array{true, false}));
  damage_space(make_axis(std::vector<bool>{true, false}));
  damage_space(make_axis(std::vector<row>{{1, "one"}}));
  damage_space(make_axis(std::vector<coded::silent>(3)));
  damage_space(make_axis(std::views::iota(1, 4)));
  damage_space(product(a, b, std::views::iota(std::int64_t{0}, std::int64_t{3})));
  damage_space(zip(product(a, std::views::iota(0, 2)), std::views::iota(0, 6)));
}

// Whether these numbers are refused as the bytes of the space of these ranges.
template <class Space, class... Numbers>
bool refused(const Numbers&... numbers) {
  try {
    static_cast<void>(received_as<Space>(written_by([&](encoder& out) { (out.put(numbers), ...); })));
    return false;
  } catch (const bad_encoding&) {
    return true;
  }
}

TEST(damaged_bytes, of_bools) {
  for (const std::uint8_t wrong : std::to_array<std::uint8_t>({2, 128, 255})) {
    EXPECT_TRUE((refused<axis_of<std::vector<bool>>>(std::uint64_t{2}, true, wrong)));
    EXPECT_TRUE((refused<axis_of<std::array<bool, 2>>>(std::uint64_t{2}, wrong, true)));
  }
}

TEST(damaged_bytes, impossible_sizes) {
  for (const std::uint64_t size : {std::uint64_t{5}, std::uint64_t{1} << 31, std::uint64_t{1} << 61, UINT64_MAX}) {
    EXPECT_TRUE((refused<axis_of<std::vector<int>>>(size, 1, 2, 3, 4))) << size;
    EXPECT_TRUE((refused<axis_of<std::vector<bool>>>(size, true))) << size;
    EXPECT_TRUE((refused<axis_of<std::vector<std::string>>>(size, "a"s))) << size;
    EXPECT_TRUE((refused<axis_of<std::vector<coded::silent>>>(size, std::uint8_t{0xe5}))) << size;
    EXPECT_TRUE((refused<axis_of<std::list<row>>>(size, row{1, "one"}))) << size;
  }
  using numbers = axis_of<std::ranges::iota_view<std::int64_t, std::int64_t>>;
  using small = axis_of<std::ranges::iota_view<std::int8_t, std::int8_t>>;
  const std::uint64_t many = std::uint64_t{1} << 40;
  EXPECT_FALSE((refused<small>(std::int8_t{-128}, std::uint64_t{256})));
  EXPECT_TRUE((refused<small>(std::int8_t{-128}, std::uint64_t{257})));
  EXPECT_FALSE((refused<small>(std::int8_t{127}, std::uint64_t{1})));
  EXPECT_TRUE((refused<small>(std::int8_t{127}, std::uint64_t{2})));
  EXPECT_FALSE((refused<numbers>(std::int64_t{INT64_MIN}, UINT64_MAX)));
  EXPECT_TRUE((refused<numbers>(std::int64_t{INT64_MIN + 2}, UINT64_MAX)));
  EXPECT_TRUE((refused<parmap::product_space<numbers, numbers>>(std::int64_t{0}, many, std::int64_t{0}, many)));
  EXPECT_TRUE((refused<parmap::zip_space<numbers, numbers>>(std::int64_t{0}, many, std::int64_t{0}, many + 1)));
}

}  // namespace
