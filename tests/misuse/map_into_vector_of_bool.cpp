// expect: but not vector<bool>, or a view that computes its elements
// SPDX-License-Identifier: MIT
// Tasks write to different elements at once; those of a vector<bool> share words.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  std::vector<bool> out(3);
#else
  std::vector<char> out(3);
#endif
  parmap::map_into(out, [](int i) { return i > 1; }, x).value();
  return out[2] ? 0 : 1;
}
