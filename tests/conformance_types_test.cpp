// SPDX-License-Identifier: MIT
// What every engine promises about the types of results.
#include "engines.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

template <class Engine>
class conformance_types : public ::testing::Test {};
TYPED_TEST_SUITE(conformance_types, engines::all, engines::names);

#ifndef PARMAP_TEST_MPI
template <class Engine>
class conformance_in_process : public ::testing::Test {};
TYPED_TEST_SUITE(conformance_in_process, engines::in_process, engines::names);
#endif

std::vector<int> first(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

struct row {
  int number{};
  std::string note{};
  std::vector<row> inside{};
  bool operator==(const row&) const = default;
};

TYPED_TEST(conformance_types, result_types) {
  const auto n = first(300);
  const auto check = [&](auto f) {
    const auto all = parmap::map(TypeParam::engine, f, n).value();
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], f(static_cast<int>(i)));
  };
  check([](int x) { return x % 2 == 0; });
  check([](int x) { return static_cast<char>(x % 128); });
  check([](int x) { return x * 0.5L; });
  check([](int x) { return std::pair(x, x * 0.5); });
  check([](int x) { return std::tuple(x, 'c', std::array{x, -x}); });
  check([](int x) { return std::string(static_cast<std::size_t>(x), 'a'); });
  check([](int x) { return std::vector<double>(static_cast<std::size_t>(x), x); });
  check([](int x) { return std::vector<bool>(static_cast<std::size_t>(x), x % 2 == 0); });
  check([](int x) { return x % 3 == 0 ? std::optional<std::string>() : std::to_string(x); });
  check([](int x) {
    return x % 2 == 0 ? std::variant<int, std::string>(x) : std::variant<int, std::string>(std::to_string(x));
  });
  check([](int x) { return std::map<std::string, std::vector<int>>{{std::to_string(x), {x, x}}, {"", {}}}; });
  check([](int x) { return std::set<std::string>{std::to_string(x), "z"}; });
  check([](int x) { return std::vector<std::vector<std::string>>(3, {std::to_string(x)}); });
  check([](int x) { return row{x, std::to_string(x), std::vector<row>(2, row{-x, "inside"})}; });
}

struct alignas(8192) two_pages {
  int value;
};

// Not under async: g++ 12 does not align coroutine frames to more than 16 bytes.
TEST(conformance_alignment, of_more_than_a_page) {
  const auto check = [](const auto& engine) {
    const auto all = parmap::map(engine, [](int x) { return two_pages{x}; }, first(3));
    for (std::uint64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&all[i]) % alignof(two_pages), 0U) << engine.name();
      EXPECT_EQ(all[i].value, static_cast<int>(i));
    }
  };
  check(parmap::serial);
  check(parmap::threads);
#if PARMAP_LINUX
  check(parmap::multi);
#endif
}

TYPED_TEST(conformance_types, reference_results_are_copied) {
  static const std::vector<std::string> names{"a", "b"};
  const auto all = parmap::map(
      TypeParam::engine, [](std::size_t i) -> const std::string& { return names[i]; }, std::vector<std::size_t>{1, 0});
  static_assert(std::is_same_v<std::decay_t<decltype(all)>, parmap::results<std::string>>);
  EXPECT_EQ(all.value(), (std::vector<std::string>{"b", "a"}));
}

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

TYPED_TEST(conformance_types, no_default_constructor) {
  const auto all = parmap::map(TypeParam::engine, [](int x) { return no_default(x); }, first(100));
  ASSERT_TRUE(all.ok());
  for (std::uint64_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].value, static_cast<int>(i));
}

#ifndef PARMAP_TEST_MPI
TYPED_TEST(conformance_in_process, move_only_results) {
  auto all = parmap::map(TypeParam::engine, [](int x) { return std::make_unique<int>(x); }, first(1000));
  EXPECT_EQ(*all[999], 999);
  const auto moved = std::move(all).value();
  for (std::size_t i = 0; i < moved.size(); ++i) EXPECT_EQ(*moved[i], static_cast<int>(i));
}

TYPED_TEST(conformance_in_process, void_results_write_where_they_like) {
  std::vector<int> out(10'000);
  const auto all =
      parmap::map(TypeParam::engine, [&out](int x) { out[static_cast<std::size_t>(x)] = x + 1; }, first(10'000));
  static_assert(std::is_same_v<std::decay_t<decltype(all)>, parmap::results<void>>);
  EXPECT_TRUE(all.ok());
  all.value();
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<int>(i) + 1);
}
#endif

TYPED_TEST(conformance_types, void_results) {
  const auto all = parmap::map(TypeParam::engine, [](int) {}, first(100));
  EXPECT_EQ(all.size(), 100);
  EXPECT_TRUE(all.ok());
  EXPECT_NO_THROW(all.value());
}

}  // namespace
