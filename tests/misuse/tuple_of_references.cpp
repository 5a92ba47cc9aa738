// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// A reference means nothing outside its process, so a tuple of references does not either.
#include <parmap/parmap.hpp>

#include <tuple>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const int& i) { return std::tie(i, i); }, x);
#else
  const auto all = parmap::map([](const int& i) { return std::tuple(i, i); }, x);
#endif
  return static_cast<int>(all.size());
}
