// SPDX-License-Identifier: MIT
// Parts of the C and C++ libraries that four threads of the caller use all the time while maps fork. A part may hang a
// task only if docs/howto/openmp-blas-fork.md names it. Those that it names are not here.
#include "cases.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <locale>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace cases {
namespace {

using namespace std::chrono_literals;

bool beside_threads(void (*use)(int)) {
  std::atomic<bool> over{false};
  std::vector<std::jthread> others;
  for (int k = 0; k < 4; ++k)
    others.emplace_back([&over, use, k] {
      while (!over) use(k);
    });
  std::size_t late = 0;
  const auto f = [use](int i) {
    use(i);
    return i;
  };
  int maps = 0;
  for (; maps < 15 && late == 0; ++maps)
    late += parmap::map(f, std::vector<int>(12, 1), {.timeout = 1500ms, .workers = 3}).failures().size();
  over = true;
  print("%zu tasks failed, in %d maps", late, maps);
  std::fflush(stdout);
  ::_exit(late == 0 ? 0 : 1);  // a thread that waits for a lock of the dead could keep the program
}

void standard_streams(int i) {
  std::cerr << "" << std::flush;
  std::clog << std::string(i % 2 == 0 ? "" : "") << std::flush;
}

void own_files(int i) {
  std::FILE* const file = std::fopen("/dev/null", "w");
  static_cast<void>(std::fputc('a' + i, file));
  std::fclose(file);
}

void heap(int i) {
  for (std::size_t k = 0; k < 20; ++k) std::free(std::malloc(100 + (k * 7919 + static_cast<std::size_t>(i)) % 300'000));
}

void exceptions(int) {
  try {
    throw std::runtime_error("x");
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): that it was thrown is the point
  }
}

void random_devices(int) { static_cast<void>(std::random_device()()); }

void text_streams(int i) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << 1.5 << i;
}

}  // namespace

std::vector<input> locks() {
  const std::string right = "no task waits for it";
  return {{"beside_standard_streams", right, [] { return beside_threads(standard_streams); }},
          {"beside_files", right, [] { return beside_threads(own_files); }},
          {"beside_malloc", right, [] { return beside_threads(heap); }},
          {"beside_exceptions", right, [] { return beside_threads(exceptions); }},
          {"beside_random_devices", right, [] { return beside_threads(random_devices); }},
          {"beside_text_streams", right, [] { return beside_threads(text_streams); }}};
}

}  // namespace cases
