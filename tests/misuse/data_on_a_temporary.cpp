// expect: deleted (member )?function (.|\n)*\bdata\b(.|\n)*keep the results in a variable first
// SPDX-License-Identifier: MIT
// The pointer would refer to results that are destroyed at the end of the statement.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const int* first = parmap::map(f, x).data();
  return first == nullptr;
#else
  const auto all = parmap::map(f, x);
  return all.data() == nullptr;
#endif
}
