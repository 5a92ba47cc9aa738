// SPDX-License-Identifier: MIT
// For tools that report when a process ends: a function that only tasks call, 50 times. counted leak: one of them
// loses memory; counted threads: under threads, not multi.
#include <parmap/parmap.hpp>

#include <cstdio>
#include <cstring>
#include <vector>

namespace {

bool leaks = false;
int* volatile lost = nullptr;

[[gnu::noinline]] int only_in_a_task(int i) {
  int sum = 0;
  for (int k = 0; k < i; ++k) sum += k;
  if (leaks) {
    lost = new int[1000];
    lost = nullptr;
  }
  return sum;
}

// gprof takes calls of a symbol with a dot in its name, as gcc makes them, for calls of the symbol before it.
[[gnu::noinline, gnu::used]] void behind_it() {}

}  // namespace

int main(int arguments, char** argument) {
  leaks = arguments > 1 && std::strcmp(argument[1], "leak") == 0;
  const std::vector<int> x(50, 7);
  const bool threads = arguments > 1 && std::strcmp(argument[1], "threads") == 0;
  const auto all = threads ? parmap::map(parmap::threads, only_in_a_task, x, {.workers = 2})
                           : parmap::map(only_in_a_task, x, {.workers = 2});
  std::printf("%zu values of 21: %d\n", all.values().size(), static_cast<int>(all.ok() && all[3] == 21));
  return all.ok() && all[3] == 21 ? 0 : 1;
}
