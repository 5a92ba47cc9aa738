// expect: needs Linux; on this system name parmap::threads
#define SEEN_WITHOUT_THE_PRECOMPILED_HEADER
#undef __linux__
#define __APPLE__ 1
extern "C" const char* getprogname();

#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> xs{1};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  auto all = parmap::stream(f, xs);
#else
  auto all = parmap::stream(parmap::threads, f, xs);
#endif
  for (const auto& [index, outcome] : all)
    if (!outcome) return 1;
  return 0;
}
