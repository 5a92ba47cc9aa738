// expect: write_csv writes numbers, text, what has an operator<<
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <iostream>
#include <vector>

int main() {
#ifdef PARMAP_BAD
  const auto f = [](int x) { return std::vector(3, x); };
#else
  const auto f = [](int x) { return x; };
#endif
  parmap::map(f, std::vector{1}).write_csv(std::cout);
  return 0;
}
