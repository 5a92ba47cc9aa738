// expect: parmap::axis takes a name and one range
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
#ifdef PARMAP_BAD
  const auto axis = parmap::axis("x", 3);
#else
  const auto axis = parmap::axis("x", std::vector{3});
#endif
  return axis.size() > 3 ? 1 : 0;
}
