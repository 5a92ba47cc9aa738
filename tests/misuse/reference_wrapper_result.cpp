// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// A reference into a worker's memory means nothing outside it.
#include <parmap/parmap.hpp>

#include <functional>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const int& i) { return std::cref(i); }, x);
#else
  const auto all = parmap::map([](const int& i) -> const int& { return i; }, x);
#endif
  return static_cast<int>(all.size());
}
