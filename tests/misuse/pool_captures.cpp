// expect: parmap::fargs\(sim, p\) for \[&\]\(double x\)
// SPDX-License-Identifier: MIT
// The workers of a pool were there before the captures.
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

int main() {
  const double p = 2;
#ifdef PARMAP_BAD
  const auto f = [&](double x) { return p * x; };
#else
  const auto f = parmap::fargs([](double x, double by) { return by * x; }, p);
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > p ? 1 : 0;
}
