// SPDX-License-Identifier: MIT
// A minimal program that uses parmap: maps, and a stream on each engine.
#include <parmap/parmap.hpp>

#include <iostream>
#include <ranges>
#include <sstream>
#include <string>
#include <vector>

int sqr(int x) { return x * x; }

template <class Engine>
std::size_t letters(const Engine& engine) {
  std::istringstream text("some words");
  std::size_t sum = 0;
  const auto count = [](const std::string& word) { return word + '.'; };
  for (auto&& each : parmap::stream(engine, count, std::views::istream<std::string>(text), {.workers = 2}))
    sum += each.outcome.value().size();
  return sum;
}

int main() {
  const std::vector<int> x{0, 1, 2, 3, 4};
  for (const int y : parmap::map(parmap::threads, sqr, x).value()) std::cout << y << '\n';
  return letters(parmap::serial) + letters(parmap::threads) + letters(parmap::multi) == 33 ? 0 : 1;
}
