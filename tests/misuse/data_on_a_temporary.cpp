// expect: deleted (member )?function (.|\n)*\bdata\b(.|\n)*keep the results in a variable first
// SPDX-License-Identifier: MIT
// A pointer into results that are gone at the end of the line.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const int* first = parmap::map(f, x).data();
  return first == nullptr;
#else
  const auto all = parmap::map(f, x);
  return all.data() == nullptr;
#endif
}
