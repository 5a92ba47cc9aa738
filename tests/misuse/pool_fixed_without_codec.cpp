// expect: a fixed argument of f cannot be sent .*(.|\n)*specialise parmap::codec for it
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <memory>

#ifdef PARMAP_BAD
using pointer = std::shared_ptr<double>;  // how many share it would be lost
#else
using pointer = std::unique_ptr<double>;
#endif

double scaled(double x, const pointer& by) { return *by * x; }

int main() {
  const auto f = parmap::fargs(scaled, pointer(new double(2)));
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > 2 ? 1 : 0;
}
