// expect: braces have no type: write std::vector
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto r = parmap::map(f, {1, 2, 3});
#else
  const auto r = parmap::map(f, std::vector{1, 2, 3});
#endif
  return static_cast<int>(r[0]);
}
