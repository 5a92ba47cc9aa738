// expect: use of deleted function.*unknown_option_or_value_of_another_type|call to deleted function
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const auto r = parmap::map(f, x, {.worker = 3});
#else
  const auto r = parmap::map(f, x, {.workers = 3});
#endif
  return static_cast<int>(r[0]);
}
