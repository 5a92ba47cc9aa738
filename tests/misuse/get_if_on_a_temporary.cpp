// expect: deleted (member )?function (.|\n)*\bget_if\b(.|\n)*keep the results in a variable first
// SPDX-License-Identifier: MIT
// The pointer would refer to results that are destroyed at the end of the statement.
#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const int* first = parmap::map(f, x).get_if(0);
  return first == nullptr;
#else
  const auto all = parmap::map(f, x);
  return all.get_if(0) == nullptr;
#endif
}
