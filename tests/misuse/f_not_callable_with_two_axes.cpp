// expect: call_of_f<.*const int ?&, const int ?&>
// SPDX-License-Identifier: MIT
// Two axes give f two arguments.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map(parmap::threads, [](int i) { return i; }, x, x);
#else
  const auto all = parmap::map(parmap::threads, [](int i, int j) { return i + j; }, x, x);
#endif
  return static_cast<int>(all.size());
}
