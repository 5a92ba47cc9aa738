// expect: parmap needs 64-bit Linux, macOS or Windows
#define SEEN_WITHOUT_THE_PRECOMPILED_HEADER
#ifdef PARMAP_BAD
#undef __linux__
#endif
#include <parmap/parmap.hpp>

int main() {
  return parmap::map([](int i) { return i; }, std::vector<int>{1}).ok() ? 0 : 1;
}
