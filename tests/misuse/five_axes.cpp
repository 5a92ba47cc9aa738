// expect: parmap::map takes one to four axes; put more into one: parmap::map\(f, parmap::product\(a, b, c, d, e\)\)
// SPDX-License-Identifier: MIT
// map takes at most four axes; more go into a product.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1};
  const auto f = [](int a, int b, int c, int d, int e) { return a + b + c + d + e; };
#ifdef PARMAP_BAD
  parmap::map(f, x, x, x, x, x, parmap::options{});
  const std::vector<int> all;
#else
  const auto all = parmap::map(f, parmap::product(x, x, x, x, x), parmap::options{});
#endif
  return static_cast<int>(all.size());
}
