// expect: a struct with a destructor, copy or move of its own cannot leave a worker process by its fields
// SPDX-License-Identifier: MIT
// A handle: the destructor in the caller would close something else than in the worker.
#include <parmap/parmap.hpp>

#include <unistd.h>
#include <vector>

struct file {
  int descriptor;
  ~file() { ::close(descriptor); }
};

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int) { return file{-1}; }, x);
#else
  const auto all = parmap::map(parmap::threads, [](int) { return file{-1}; }, x);
#endif
  return static_cast<int>(all.size());
}
