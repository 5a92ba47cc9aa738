// expect: value\(\) copies, but this type cannot be copied
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <memory>
#include <utility>
#include <vector>

int main() {
  auto r = parmap::map(parmap::threads, [](int i) { return std::make_unique<int>(i); }, std::vector<int>{1, 2, 3});
#ifdef PARMAP_BAD
  const auto all = r.value();
#else
  const auto all = std::move(r).value();
#endif
  return *all[0];
}
