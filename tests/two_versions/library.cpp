// SPDX-License-Identifier: MIT
// A shared library with its own copy of parmap. LIBRARY is its name, used as a prefix.
#include <parmap/parmap.hpp>

#include <cstddef>
#include <numeric>
#include <vector>

#define JOINED_(a, b) a##b
#define JOINED(a, b) JOINED_(a, b)
#define EXPORTED(name) __attribute__((visibility("default"))) JOINED(LIBRARY, name)

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

extern "C" {

int EXPORTED(_maps)(int n) {
  const auto work = [](int i) {
    double sum = 0;
    for (int k = 0; k < 20000; ++k) sum += i % (k + 1);
    return sum;
  };
  const auto by_threads = parmap::map(parmap::threads, work, numbers(n), {.workers = 3});
  const auto by_processes = parmap::map(work, numbers(n), {.workers = 3});
  return by_threads.ok() && by_processes.value() == by_threads.value() ? 0 : 1;
}

// Returns how many cores a map of this copy would use in the calling process.
unsigned EXPORTED(_cores)() { return parmap::detail::usable_cores(); }

// Returns what ask() returns in a task that this copy runs in a worker.
unsigned EXPORTED(_in_worker)(unsigned (*ask)()) {
  return parmap::map([ask](int) { return ask(); }, numbers(1)).value()[0];
}

}  // extern "C"
