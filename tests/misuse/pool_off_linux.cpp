// expect: a pool forks its workers, which needs Linux; on this system name parmap::threads
#define SEEN_WITHOUT_THE_PRECOMPILED_HEADER
#undef __linux__
#define __APPLE__ 1  // what is tested does not depend on how macOS differs
extern "C" const char* getprogname();

#include <parmap/parmap.hpp>

#include <vector>

int main() {
  const std::vector<int> xs{1};
  const auto f = [](int i) { return i; };
#ifdef PARMAP_BAD
  const parmap::pool workers({.workers = 2});
  return parmap::map(workers, f, xs).ok() ? 0 : 1;
#else
  return parmap::map(parmap::threads, f, xs).ok() ? 0 : 1;
#endif
}
