// expect: op cannot be called as op\(const T&, const T&\)
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(f, [](int& a, int b) { return a += b; }, 0, x);
#else
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(f, [](int a, int b) { return a + b; }, 0, x);
#endif
  return r.ok() ? 0 : 1;
}
