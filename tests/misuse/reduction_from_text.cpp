// expect: the initial value is a pointer to text
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto g = [](int i) { return std::to_string(i); };
  const auto r = parmap::map_reduce(g, std::plus{}, "", x);
#else
  const auto g = [](int i) { return std::to_string(i); };
  const auto r = parmap::map_reduce(g, std::plus{}, std::string(), x);
#endif
  return r.ok() ? 0 : 1;
}
