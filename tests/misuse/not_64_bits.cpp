// expect: parmap needs 64-bit Linux, macOS or Windows
#define SEEN_WITHOUT_THE_PRECOMPILED_HEADER
#ifdef PARMAP_BAD
#undef __SIZEOF_INT128__
#endif
#include <parmap/engine/threads.hpp>
#include <parmap/map.hpp>

#include <vector>

int main() {
  return parmap::map(parmap::threads, [](int i) { return i; }, std::vector<int>{1}).ok() ? 0 : 1;
}
