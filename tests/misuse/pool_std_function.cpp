// expect: a std::function or its like.*(.|\n)*pass the function itself
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <functional>

double twice(double x) { return 2 * x; }

int main() {
#ifdef PARMAP_BAD
  const std::function<double(double)> f = twice;
#else
  double (*const f)(double) = twice;
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > 2 ? 1 : 0;
}
