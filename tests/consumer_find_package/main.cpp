// SPDX-License-Identifier: MIT
// A minimal program that uses parmap.
#include <parmap/parmap.hpp>

#include <iostream>
#include <vector>

int sqr(int x) { return x * x; }

int main() {
  const std::vector<int> x{0, 1, 2, 3, 4};
  for (const int y : parmap::map(parmap::threads, sqr, x).value()) std::cout << y << '\n';
}
