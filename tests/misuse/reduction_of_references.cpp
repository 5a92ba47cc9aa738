// expect: cannot leave a worker process
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto p = [&](int i) { return &x[static_cast<unsigned>(i - 1)]; };
  const int* none = nullptr;
  const auto r = parmap::map_reduce(p, [](const int* a, const int* b) { return a ? a : b; }, none, x);
#else
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(f, [](int a, int b) { return a ? a : b; }, 0, x);
#endif
  return r.ok() ? 0 : 1;
}
