// expect: every argument after f must be a range .an axis.(.|\n)*fargs
// SPDX-License-Identifier: MIT
// A single value is no axis.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const auto f = [](int a, int b) { return a + b; };
#ifdef PARMAP_BAD
  const auto all = parmap::map(f, x, 3);
#else
  const auto all = parmap::map(parmap::fargs(f, 3), x);
#endif
  return static_cast<int>(all.size());
}
