// expect: several functions have that name
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int twice(int i) { return 2 * i; }
double twice(double i) { return 2 * i; }

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto r = parmap::map(twice, x);
#else
  const auto r = parmap::map([](int i) { return twice(i); }, x);
#endif
  return static_cast<int>(r[0]);
}
