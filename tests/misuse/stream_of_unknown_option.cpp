// expect: durations as std::chrono
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <ranges>
#include <sstream>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
  int sum = 0;
#ifdef PARMAP_BAD
  for (auto&& each : parmap::stream(f, x, {.window_size = 3})) sum += *each.outcome;
#else
  for (auto&& each : parmap::stream(f, x, {.window = 3})) sum += *each.outcome;
#endif
  return sum > 0 ? 0 : 1;
}
