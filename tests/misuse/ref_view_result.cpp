// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// A view of a worker's memory means nothing outside it.
#include <parmap/parmap.hpp>

#include <ranges>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([&x](int i) { return x | std::views::take(i); }, x);
#else
  const auto all = parmap::map([](int i) { return std::views::iota(0, i); }, x);
#endif
  return static_cast<int>(all.size());
}
