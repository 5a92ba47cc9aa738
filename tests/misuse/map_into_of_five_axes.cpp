// expect: parmap::map_into takes one to four axes; put more into one
// SPDX-License-Identifier: MIT
// map_into takes at most four axes; more go into a product.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1};
  const auto f = [](int a, int b, int c, int d, int e) { return a + b + c + d + e; };
  std::vector<int> out(32);
#ifdef PARMAP_BAD
  parmap::map_into(out, f, x, x, x, x, x, parmap::options{});
#else
  parmap::map_into(out, f, parmap::product(x, x, x, x, x), parmap::options{}).value();
#endif
  return out[0];
}
