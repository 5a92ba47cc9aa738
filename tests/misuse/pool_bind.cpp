// expect: parmap::fargs\(sim, p\) for std::bind
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <functional>

double scaled(double x, double by) { return by * x; }

int main() {
#ifdef PARMAP_BAD
  const auto f = std::bind(scaled, std::placeholders::_1, 2.0);
#else
  const auto f = parmap::fargs(scaled, 2.0);
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > 2 ? 1 : 0;
}
