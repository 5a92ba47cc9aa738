// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process(.|\n)*return the value
// SPDX-License-Identifier: MIT
// An iterator points into a worker's memory.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([&x](int i) { return x.begin() + i; }, x);
#else
  const auto all = parmap::map([&x](int i) { return *(x.begin() + i); }, x);
#endif
  return static_cast<int>(all.size());
}
