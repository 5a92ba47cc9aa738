// expect: an endless axis cannot be mapped; bound it
// SPDX-License-Identifier: MIT
// A view that transforms an endless axis is endless, too.
#include <parmap/parmap.hpp>

#include <ranges>

int main() {
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto all = parmap::map(f, std::views::iota(0) | std::views::transform(f));
#else
  const auto all = parmap::map(f, std::views::iota(0) | std::views::transform(f) | std::views::take(3));
#endif
  return static_cast<int>(all.size());
}
