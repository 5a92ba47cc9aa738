// expect: this engine has no map_reduce and no fold yet
// SPDX-License-Identifier: MIT
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(parmap::async, f, std::plus{}, 0, x);
#else
  const auto f = [](int i) { return i; };
  const auto r = parmap::map_reduce(parmap::threads, f, std::plus{}, 0, x);
#endif
  return r.ok() ? 0 : 1;
}
