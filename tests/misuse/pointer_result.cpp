// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker(.|\n)*return the value itself
// SPDX-License-Identifier: MIT
// A pointer means nothing outside its process.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const int& i) { return &i; }, x);
#else
  const auto all = parmap::map(parmap::threads, [](const int& i) { return &i; }, x);
#endif
  return static_cast<int>(all.size());
}
