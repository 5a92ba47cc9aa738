// expect: deleted (member )?function (.|\n)*\bvalues\b(.|\n)*keep the results in a variable first
// SPDX-License-Identifier: MIT
// A view of results that are gone at the end of the line.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const auto f = [](int i) { return i; };
  int sum = 0;
#ifdef PARMAP_BAD
  for (const int value : parmap::map(f, x).values()) sum += value;
  return sum;
#else
  const auto all = parmap::map(f, x);
  for (const int value : all.values()) sum += value;
  return sum;
#endif
}
