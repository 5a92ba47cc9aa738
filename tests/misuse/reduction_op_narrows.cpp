// expect: what op returns does not fit into the type of init, and would be narrowed
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto f = [](int i) { return static_cast<short>(i); };
  const auto r = parmap::map_reduce(f, std::plus{}, short{0}, x);
#else
  const auto f = [](int i) { return static_cast<short>(i); };
  const auto r = parmap::map_reduce(f, std::plus<short>{}, short{0}, x);
#endif
  return r.ok() ? 0 : 1;
}
