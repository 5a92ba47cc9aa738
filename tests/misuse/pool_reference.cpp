// expect: parmap::fargs\(sim, p\) for parmap::fargs\(sim, std::cref\(p\)\)
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <functional>

double scaled(double x, const double& by) { return by * x; }

int main() {
  const double p = 2;
#ifdef PARMAP_BAD
  const auto f = parmap::fargs(scaled, std::cref(p));
#else
  const auto f = parmap::fargs(scaled, p);
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > p ? 1 : 0;
}
