// SPDX-License-Identifier: MIT
// Engine multi with pages of 64 KiB: all that it maps, protects, populates and divides into arenas is rounded to them.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <string>

namespace {

static_assert(noexcept(parmap::detail::page_size()));

class large_pages_test : public leftovers::none {
 protected:
  void SetUp() override {
    ASSERT_EQ(parmap::detail::page_size(), 65536U);
    none::SetUp();
  }
};

constexpr int n = 20'000;

TEST_F(large_pages_test, values_in_slots) {
  const auto f = [](int i) {
    if (i == 7777) std::abort();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, n), {.workers = 3});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 7777U);
  for (std::uint64_t i = 0; i < n; ++i) {
    if (i == 7777) continue;
    ASSERT_EQ(all[i], static_cast<int>(i));
  }
}

TEST_F(large_pages_test, encoded_values) {
  const auto f = [](int i) {
    if (i == 7777) std::abort();
    return std::string(static_cast<std::size_t>(i % 100), 'x') + std::to_string(i);
  };
  const auto all = parmap::map(f, std::views::iota(0, n), {.workers = 3});
  ASSERT_EQ(all.failures().size(), 1U);
  for (std::uint64_t i = 0; i < n; ++i) {
    if (i == 7777) continue;
    ASSERT_EQ(all[i], std::string(i % 100, 'x') + std::to_string(i));
  }
}

TEST_F(large_pages_test, one_task) {
  EXPECT_EQ(parmap::map([](int i) { return i; }, std::views::iota(5, 6))[0], 5);
}

}  // namespace
