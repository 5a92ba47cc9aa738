// SPDX-License-Identifier: MIT
// A map in which one task fails.
#include <parmap/parmap.hpp>

#include <iostream>
#include <stdexcept>
#include <vector>

int main() {
  const std::vector<int> numbers{0, 1, 2, 3, 4};
  const auto squares = parmap::map(
      [](int i) {
        if (i == 2) throw std::runtime_error("not this one");
        return i * i;
      },
      numbers);
  for (const int each : squares.values()) std::cout << each << '\n';
  return squares.values().size() == 4 && squares.failures().size() == 1 ? 0 : 1;
}
