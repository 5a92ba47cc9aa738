// expect: f returns void, so there is nothing to put anywhere; call parmap::map
// SPDX-License-Identifier: MIT
// f must return results for the range.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  std::vector<int> out(3);
#ifdef PARMAP_BAD
  const auto f = [](int) {};
#else
  const auto f = [](int i) { return i; };
#endif
  parmap::map_into(parmap::threads, out, f, x).value();
  return out[0];
}
