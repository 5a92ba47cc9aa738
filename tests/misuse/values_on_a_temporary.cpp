// expect: deleted (member )?function (.|\n)*\bvalues\b(.|\n)*keep the results in a variable first
// SPDX-License-Identifier: MIT
// The view would refer to results that are destroyed at the end of the statement.
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
