// expect: what f returns cannot be assigned to an element of the range
// SPDX-License-Identifier: MIT
// The elements of the range must be able to hold what f returns.
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  std::vector<int> out(3);
#else
  std::vector<std::string> out(3);
#endif
  parmap::map_into(out, [](int i) { return std::to_string(i); }, x).value();
  return static_cast<int>(out.size()) - 3;
}
