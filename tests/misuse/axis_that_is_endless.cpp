// expect: an endless range cannot be a named axis
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <ranges>
#include <vector>

int main() {
#ifdef PARMAP_BAD
  const auto axis = parmap::axis("x", std::views::iota(0));
#else
  const auto axis = parmap::axis("x", std::views::iota(0, 3));
#endif
  return axis.size() > 3 ? 1 : 0;
}
