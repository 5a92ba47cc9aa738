// SPDX-License-Identifier: MIT
// A minimal program that uses the engine async.
#include <parmap/async.hpp>

#include <asio/awaitable.hpp>

#include <chrono>
#include <iostream>
#include <vector>

asio::awaitable<int> sqr(int x) { co_return x* x; }

int main() {
  const std::vector<int> x{0, 1, 2, 3, 4};
  const auto all = parmap::map(parmap::async, sqr, x, {.timeout = std::chrono::minutes(1)});
  for (const int y : all.value()) std::cout << y << '\n';
}
