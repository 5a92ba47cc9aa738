// expect: an engine is an object, and comes first
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto r = parmap::map("threads", f, x);
#else
  const auto r = parmap::map(parmap::engine_named("threads"), f, x);
#endif
  return static_cast<int>(r[0]);
}
