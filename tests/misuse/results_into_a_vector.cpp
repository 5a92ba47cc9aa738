// expect: write results\.value\(\)
// SPDX-License-Identifier: MIT
// Some tasks may have failed: the caller says what then.
#include <parmap/parmap.hpp>

#include <vector>

std::vector<int> squares(const std::vector<int>& x) {
  const auto f = [](int i) { return i * i; };
#ifdef PARMAP_BAD
  return parmap::map(f, x);
#else
  return parmap::map(f, x).value();
#endif
}
