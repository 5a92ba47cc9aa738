// expect: a field of this struct is a pointer, a reference or a view .*(.|\n)*let the struct hold the value itself
// SPDX-License-Identifier: MIT
// A reference means nothing outside its process.
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

struct row {
  const int& number;
  std::string note;
};

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const int& i) { return row{i, "a"}; }, x);
#else
  const auto all = parmap::map(parmap::threads, [](const int& i) { return row{i, "a"}; }, x);
#endif
  return static_cast<int>(all.size());
}
