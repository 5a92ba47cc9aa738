// expect: a field of this struct is a pointer, a reference or a view .*(.|\n)*let the struct hold the value itself
// SPDX-License-Identifier: MIT
// A trivially copyable struct looks like bytes, but one of its fields is an address.
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

#ifdef PARMAP_BAD
struct row {
  int number;
  const char* note;
};
#else
struct row {
  int number;
  std::string note;
};
#endif

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return row{i, "note"}; }, x);
#else
  const auto all = parmap::map([](int i) { return row{i, "note"}; }, x);
#endif
  return static_cast<int>(all.size());
}
