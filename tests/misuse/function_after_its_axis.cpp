// expect: the function comes before its axes
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto r = parmap::map(x, f);
#else
  const auto r = parmap::map(f, x);
#endif
  return static_cast<int>(r[0]);
}
