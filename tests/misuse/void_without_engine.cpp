// expect: f returns void, and the default engine multi runs it in worker processes.*(.|\n)*name an engine
// SPDX-License-Identifier: MIT
// A void f needs a named engine: what it writes under multi would be lost.
#include <parmap/parmap.hpp>

#include <cstddef>
#include <vector>

int main() {
  std::vector<int> out(3);
  const std::vector<int> x{0, 1, 2};
  const auto f = [&out](int i) { out[static_cast<std::size_t>(i)] = i; };
#ifdef PARMAP_BAD
  const auto all = parmap::map(f, x);
#else
  const auto all = parmap::map(parmap::threads, f, x);
#endif
  return static_cast<int>(all.size());
}
