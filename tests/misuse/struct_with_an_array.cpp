// expect: a struct with an array as a field cannot leave a worker process by its fields; make it a std::array
// SPDX-License-Identifier: MIT
// An array cannot be returned by decode, so a struct with an array cannot be decoded by its fields.
#include <parmap/parmap.hpp>

#include <array>
#include <string>
#include <vector>

#ifdef PARMAP_BAD
struct row {
  std::string note;
  int numbers[2];
};
#else
struct row {
  std::string note;
  std::array<int, 2> numbers;
};
#endif

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return row{"note", {i, i}}; }, x);
#else
  const auto all = parmap::map([](int i) { return row{"note", {i, i}}; }, x);
#endif
  return static_cast<int>(all.size());
}
