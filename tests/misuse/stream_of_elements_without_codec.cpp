// expect: this element type has no codec
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <ranges>
#include <sstream>
#include <string>
#include <vector>

struct element {
  element() = default;
  explicit element(int i) : text(std::to_string(i)), place(&text) {}
  std::string text{};
  const std::string* place{};
};
std::istream& operator>>(std::istream& in, element& to) { return in >> to.text; }

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto f = [](int i) { return i; };
  int sum = 0;
#ifdef PARMAP_BAD
  std::istringstream in("a b");
  const auto size = [](const element& it) { return static_cast<int>(it.text.size()); };
  for (auto&& each : parmap::stream(size, std::views::istream<element>(in))) sum += *each.outcome;
#else
  std::istringstream in("a b");
  const auto size = [](const std::string& it) { return static_cast<int>(it.size()); };
  for (auto&& each : parmap::stream(size, std::views::istream<std::string>(in))) sum += *each.outcome + f(x[0]);
#endif
  return sum > 0 ? 0 : 1;
}
