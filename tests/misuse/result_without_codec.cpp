// expect: has no codec; specialise parmap::codec for it
// SPDX-License-Identifier: MIT
// A type that is not trivially copyable needs a codec to leave a worker.
#include <parmap/parmap.hpp>

#include <memory>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return std::make_shared<int>(i); }, x);
#else
  const auto all = parmap::map(parmap::threads, [](int i) { return std::make_shared<int>(i); }, x);
#endif
  return static_cast<int>(all.size());
}
