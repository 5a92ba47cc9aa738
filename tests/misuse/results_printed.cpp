// expect: print the elements of all\.value\(\)
// SPDX-License-Identifier: MIT
// Some tasks may have failed: the caller says what to print.
#include <parmap/parmap.hpp>

#include <iostream>
#include <vector>

void print(const std::vector<int>& x) {
  const auto results = parmap::map([](int i) { return i * i; }, x);
#ifdef PARMAP_BAD
  std::cout << results;
#else
  for (const int each : results.value()) std::cout << each << '\n';
#endif
}
