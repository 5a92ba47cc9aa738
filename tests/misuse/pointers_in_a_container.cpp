// expect: a pointer, reference_wrapper, string_view or span .*or a container of such
// SPDX-License-Identifier: MIT
// A container of pointers holds nothing the caller could use.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const int& i) { return std::vector{&i}; }, x);
#else
  const auto all = parmap::map([](const int& i) { return std::vector{i}; }, x);
#endif
  return static_cast<int>(all.size());
}
