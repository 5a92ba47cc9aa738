// SPDX-License-Identifier: MIT
// Uses what a shared libparmap has of pools, reductions and traces.
#include <parmap/parmap.hpp>

#include <functional>
#include <iostream>
#include <vector>

double sqr(double x) { return x * x; }

int main() {
  parmap::pool workers({.workers = 2});
  const std::vector x{1.0, 2.0};
  double sum = 0;
  for (const double y : parmap::map(workers, sqr, x).value()) sum += y;
  for (auto&& each : parmap::stream(workers, sqr, x)) sum += each.outcome.value();
  sum += parmap::map_reduce(workers, sqr, std::plus{}, 0.0, x).value();
  sum += workers.submit(sqr, 2.0).get();
  sum += parmap::map(parmap::threads, sqr, x, {.trace = "trace.json"}).value()[1];
  std::cout << sum << '\n';
  return sum == 23 ? 0 : 1;
}
