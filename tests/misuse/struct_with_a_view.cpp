// expect: a field of this struct is a pointer, a reference or a view .*(.|\n)*let the struct hold the value itself
// SPDX-License-Identifier: MIT
// A view of a worker's memory means nothing outside it, even as a field of a struct.
#include <parmap/parmap.hpp>

#include <string>
#include <string_view>
#include <vector>

struct row {
  std::string note;
  std::string_view word;
};

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int) { return row{"a note", "a"}; }, x);
#else
  const auto all = parmap::map(parmap::threads, [](int) { return row{"a note", "a"}; }, x);
#endif
  return static_cast<int>(all.size());
}
