// expect: write results\.values\(\)
// SPDX-License-Identifier: MIT
// Some tasks may have failed: the caller says which values are meant.
#include <parmap/parmap.hpp>

#include <vector>

int sum(const std::vector<int>& x) {
  const auto results = parmap::map([](int i) { return i * i; }, x);
  int all = 0;
#ifdef PARMAP_BAD
  for (const int each : results) all += each;
#else
  for (const int each : results.values()) all += each;
#endif
  return all;
}
