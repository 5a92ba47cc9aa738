// expect: f returns void, and the default engine multi
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
  for (auto&& each : parmap::stream([](int) {}, x)) sum += each.outcome ? 1 : 0;
#else
  for (auto&& each : parmap::stream(parmap::threads, [](int) {}, x)) sum += each.outcome ? f(1) : 0;
#endif
  return sum > 0 ? 0 : 1;
}
