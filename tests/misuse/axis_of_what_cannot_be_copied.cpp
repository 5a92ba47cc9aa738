// expect: parmap::axis keeps the elements, but this type cannot be copied
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <memory>
#include <utility>
#include <vector>

int main() {
  std::vector<std::unique_ptr<int>> kept(3);
#ifdef PARMAP_BAD
  const auto axis = parmap::axis("x", kept);
#else
  const auto axis = parmap::axis("x", std::move(kept));
#endif
  return axis.size() > 3 ? 1 : 0;
}
