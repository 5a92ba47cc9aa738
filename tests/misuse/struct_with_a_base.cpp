// expect: a struct with a base class cannot leave a worker process by its fields; make the base a field
// SPDX-License-Identifier: MIT
// The members of a base are not fields of the struct.
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

struct numbered {
  int number;
};
#ifdef PARMAP_BAD
struct row : numbered {
  std::string note;
};
#else
struct row {
  numbered base;
  std::string note;
};
#endif

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return row{{i}, "note"}; }, x);
#else
  const auto all = parmap::map([](int i) { return row{{i}, "note"}; }, x);
#endif
  return static_cast<int>(all.size());
}
