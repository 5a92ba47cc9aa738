// SPDX-License-Identifier: MIT
// Results while the rest still runs: a search among numbers without end, and orders that are read one by one.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>

bool is_prime(std::uint64_t n) {
  if (n % 2 == 0) return n == 2;
  for (std::uint64_t k = 3; k * k <= n; k += 2)
    if (n % k == 0) return false;
  return n > 1;
}

// One order is not a number, and one ends its process.
double price(const std::string& order) {
  if (order == "0") std::abort();
  std::size_t read = 0;
  const double amount = std::stod(order, &read);
  if (read != order.size()) throw std::invalid_argument("\"" + order + "\" is no amount");
  return amount * 1.19;
}

int stream(const example::arguments& chosen) {
  const auto engine = parmap::engine_named(chosen.engine);
  constexpr std::uint64_t from = 10'000'000'000'000;

  // The axis has no end. The loop ends the stream when it has seen enough.
  std::cout << "the first five primes after 10^13:";
  int found = 0;
  for (auto&& [index, prime] :
       parmap::stream(engine, is_prime, std::views::iota(from), {.ordered = true, .workers = chosen.workers})) {
    if (!prime.value()) continue;
    std::cout << ' ' << from + index;
    if (++found == 5) break;
  }
  std::cout << "\n\n";

  // The input can be read once only, and is read as the tasks need it.
  std::istringstream orders(chosen.engine == "multi" ? "100 20.5 1,000 7 0 300" : "100 20.5 7 300");
  auto prices = parmap::stream(engine, price, std::views::istream<std::string>(orders), {.ordered = true});
  for (auto&& [index, outcome] : prices)
    if (outcome) std::cout << "order " << index << ": " << *outcome << '\n';
  std::cout << prices.summary().completed << " of " << prices.summary().tasks << " orders have a price\n";
  for (const parmap::failure_cause& why : prices.summary().causes) std::cout << why << '\n';
  return 0;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--engine NAME] [--workers N]", stream); }
