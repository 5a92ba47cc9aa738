// SPDX-License-Identifier: MIT
// One cell of docs/reliability.md for a C++ thread library, with a task that throws or crashes: threads PEER CASE
// SECONDS LIMIT (unused). See run.py.
#include <omp.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <execution>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string peer = argv[1];
  const std::string how = argv[2];
  const std::chrono::duration<double> busy(std::atof(argv[3]));
  constexpr std::size_t tasks = 20;
  std::array<std::atomic<bool>, tasks> done{};
  const auto task = [&](std::size_t i) {
    std::this_thread::sleep_for(busy);
    if (i == 7 && how == "throws") throw std::runtime_error("thrown");
    if (i == 7 && how == "segfault") {
      volatile int* nowhere = nullptr;
      *nowhere = 1;
    }
    done[i] = true;
  };
  const oneapi::tbb::global_control two(oneapi::tbb::global_control::max_allowed_parallelism, 2);
  try {
    if (peer == "openmp") {
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
      for (std::size_t i = 0; i < tasks; ++i) task(i);
    } else if (peer == "tbb") {
      oneapi::tbb::parallel_for(std::size_t{0}, tasks, task);
    } else {
      std::array<std::size_t, tasks> indices{};
      std::iota(indices.begin(), indices.end(), std::size_t{0});
      std::for_each(std::execution::par, indices.begin(), indices.end(), task);
    }
  } catch (const std::exception&) {
    std::cout << "raised std::exception\n";
  }
  for (std::size_t i = 0; i < tasks; ++i)
    if (done[i]) std::cout << "value " << i << '\n';
  std::cout << "done" << std::endl;
}
