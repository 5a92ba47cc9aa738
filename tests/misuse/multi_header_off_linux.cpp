// expect: this header needs Linux
#define SEEN_WITHOUT_THE_PRECOMPILED_HEADER
#undef __linux__
#define __APPLE__ 1
extern "C" const char* getprogname();

#ifdef PARMAP_BAD
#include <parmap/engine/multi.hpp>
#endif
#include <parmap/engine/threads.hpp>
#include <parmap/map.hpp>

#include <vector>

int main() {
  return parmap::map(parmap::threads, [](int i) { return i; }, std::vector<int>{1}).ok() ? 0 : 1;
}
