// expect: must have a default constructor or be trivially copyable
// SPDX-License-Identifier: MIT
// An object of an empty class is made again in the worker, from nothing but its type.
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

struct counted {
#ifdef PARMAP_BAD
  explicit counted(int& all) { ++all; }
  counted(const counted&) {}
#else
  explicit counted(int& all) { ++all; }
#endif
  double operator()(double x) const { return x; }
};

int main() {
  int all = 0;
  const counted f(all);
  return parmap::detail::check_sent_function<decltype(f)>() && f(1.0) > all ? 1 : 0;
}
