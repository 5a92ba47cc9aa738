// expect: f's result does not fit into the type of init, and would be narrowed
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto half = [](int i) { return i / 2.0; };
  const auto r = parmap::map_reduce(half, std::plus<float>{}, 0.0F, x);
#else
  const auto half = [](int i) { return i / 2.0; };
  const auto r = parmap::map_reduce(half, std::plus<double>{}, 0.0, x);
#endif
  return r.ok() ? 0 : 1;
}
