// expect: parmap::map takes one to four axes; put more into one: parmap::map\(f, parmap::product\(a, b, c, d, e\)\)
// SPDX-License-Identifier: MIT
// map takes at most four axes on every engine; more go into a product.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1};
  const auto f = [](int a, int b, int c, int d, int e) { return a + b + c + d + e; };
#ifdef PARMAP_BAD
  parmap::map(parmap::serial, f, x, x, x, x, x);
  const std::vector<int> all;
#else
  const auto all = parmap::map(parmap::serial, f, parmap::product(x, x, x, x, x));
#endif
  return static_cast<int>(all.size());
}
