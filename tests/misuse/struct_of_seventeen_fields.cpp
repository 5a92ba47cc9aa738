// expect: a struct of more than 16 fields cannot leave a worker process by its fields; put some into a struct of their
// own SPDX-License-Identifier: MIT Sixteen fields are found, not more.
#include <parmap/parmap.hpp>

#include <array>
#include <string>
#include <vector>

#ifdef PARMAP_BAD
struct row {
  int a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{}, k{}, l{}, m{}, n{}, o{}, p{};
  std::string note{};
};
#else
struct row {
  int a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{}, k{}, l{}, m{}, n{};
  std::array<int, 2> others{};
  std::string note{};
};
#endif

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int) { return row{}; }, x);
#else
  const auto all = parmap::map([](int) { return row{}; }, x);
#endif
  return static_cast<int>(all.size());
}
