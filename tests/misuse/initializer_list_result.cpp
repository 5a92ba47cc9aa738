// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// An initializer_list only refers to its elements, and means nothing outside its process.
#include <parmap/parmap.hpp>

#include <initializer_list>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const std::initializer_list<int> few{1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([few](int i) { return i == 0 ? std::initializer_list<int>() : few; }, x);
#else
  const auto all = parmap::map([few](int i) { return i == 0 ? std::vector<int>() : std::vector(few); }, x);
#endif
  return static_cast<int>(all.size());
}
