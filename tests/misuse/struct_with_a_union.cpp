// expect: the fields of this struct cannot be found .*specialise parmap::codec for it, return a std::tuple
// SPDX-License-Identifier: MIT
// Only the owner of a union knows which member is active.
#include <parmap/parmap.hpp>

#include <string>
#include <variant>
#include <vector>

#ifdef PARMAP_BAD
struct row {
  std::string note;
  union {
    int number;
    float real;
  } value;
};
#else
struct row {
  std::string note;
  std::variant<int, float> value;
};
#endif

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return row{"note", {i}}; }, x);
#else
  const auto all = parmap::map([](int i) { return row{"note", {i}}; }, x);
#endif
  return static_cast<int>(all.size());
}
