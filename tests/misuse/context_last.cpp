// expect: context& must be the first parameter of f
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto r = parmap::map([](int i, parmap::context& self) { return i + static_cast<int>(self.worker()); }, x);
#else
  const auto r = parmap::map([](parmap::context& self, int i) { return i + static_cast<int>(self.worker()); }, x);
#endif
  return static_cast<int>(r[0]);
}
