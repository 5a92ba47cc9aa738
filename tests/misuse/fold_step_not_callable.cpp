// expect: step cannot be called as step\(T&, elements...\)
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <functional>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
#ifdef PARMAP_BAD
  const auto r = parmap::fold(
      0, [](int& sum, const std::string& s) { sum += static_cast<int>(s.size()); }, [](int& a, int b) { a += b; }, x);
#else
  const auto r = parmap::fold(0, [](int& sum, int i) { sum += i; }, [](int& a, int b) { a += b; }, x);
#endif
  return r.ok() ? 0 : 1;
}
