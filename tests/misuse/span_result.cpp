// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// A span of a worker's memory means nothing outside it.
#include <parmap/parmap.hpp>

#include <span>
#include <vector>

int main() {
  const std::vector<std::vector<int>> x{{0, 1}, {2}};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const std::vector<int>& v) { return std::span(v); }, x);
#else
  const auto all = parmap::map([](const std::vector<int>& v) { return std::vector(v.begin(), v.end()); }, x);
#endif
  return static_cast<int>(all.size());
}
