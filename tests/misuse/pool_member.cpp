// expect: call the member in a lambda without captures
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <functional>

struct point {
  double x;
  double y;
  double norm() const { return x * x + y * y; }
};

int main() {
#ifdef PARMAP_BAD
  const auto f = &point::norm;
#else
  const auto f = [](const point& it) { return it.norm(); };
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && std::invoke(f, point{1, 0}) > 2 ? 1 : 0;
}
