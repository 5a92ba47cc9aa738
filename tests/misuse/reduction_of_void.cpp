// expect: f returns void, so there is nothing to combine
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto r = parmap::map_reduce(parmap::threads, [](int) {}, std::plus{}, 0, x);
#else
  const auto r = parmap::map_reduce(parmap::threads, [](int i) { return i; }, std::plus{}, 0, x);
#endif
  return r.ok() ? 0 : 1;
}
