// expect: narrow
// A sample of the convention, against the standard library alone. To be replaced.
#include <vector>

int main() {
#ifdef PARMAP_BAD
  const std::vector<int> x{1.5};
#else
  const std::vector<int> x{1};
#endif
  return static_cast<int>(x.size()) - 1;
}
