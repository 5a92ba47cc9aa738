// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process
// SPDX-License-Identifier: MIT
// A thread id means nothing outside its process: each worker's thread has the same id as the caller's.
#include <parmap/parmap.hpp>

#include <thread>
#include <unistd.h>
#include <vector>

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int) { return std::this_thread::get_id(); }, x);
#else
  const auto all = parmap::map([](int) { return ::getpid(); }, x);
#endif
  return static_cast<int>(all.size());
}
