// expect: write map_reduce\(f, op, init, xs\)|call to deleted function
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(f, std::plus{}, x);
#else
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(f, std::plus{}, 0, x);
#endif
  return r.ok() ? 0 : 1;
}
