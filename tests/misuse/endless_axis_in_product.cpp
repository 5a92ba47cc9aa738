// expect: an endless axis cannot be mapped; bound it
// SPDX-License-Identifier: MIT
// An axis inside a product must have an end, too.
#include <parmap/parmap.hpp>

#include <ranges>

int main() {
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto all = parmap::map(f, parmap::product(std::views::iota(0)));
#else
  const auto all = parmap::map(f, parmap::product(std::views::iota(0, 3)));
#endif
  return static_cast<int>(all.size());
}
