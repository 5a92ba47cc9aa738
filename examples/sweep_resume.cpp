// SPDX-License-Identifier: MIT
// A parameter study that survives its program: option prices over strikes and volatilities by Monte Carlo, kept in a
// file. Kill it at any moment and call it again: it runs what is missing. More strikes add to what is there.
#include "arguments.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/parmap.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>
#include <vector>

constexpr double spot = 100;   // the price of the share today
constexpr double rate = 0.02;  // interest a year; the option ends in a year

struct price {
  double mean{};
  double error{};  // standard error of the mean
};

// A call: the right to buy the share for `strike` in a year. The mean of what it is worth then, over many possible
// years.
price simulate(parmap::context& self, double strike, double volatility) {
  constexpr int paths = 400'000;
  std::normal_distribution<double> normal;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < paths; ++i) {
    const double end = spot * std::exp(rate - volatility * volatility / 2 + volatility * normal(self.rng()));
    const double worth = std::exp(-rate) * std::max(end - strike, 0.0);
    sum += worth;
    squares += worth * worth;
  }
  const double mean = sum / paths;
  return {mean, std::sqrt((squares / paths - mean * mean) / paths)};
}

// The exact price: Black and Scholes, J. Political Economy 81 (1973) 637.
double exact(double strike, double volatility) {
  const auto normal = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const double d = (std::log(spot / strike) + rate + volatility * volatility / 2) / volatility;
  return spot * normal(d) - strike * std::exp(-rate) * normal(d - volatility);
}

int sweep_resume(const example::arguments& chosen) {
  if (chosen.paths.size() != 1) throw std::invalid_argument("the file is missing");
  std::vector<double> strikes(chosen.strikes);
  for (std::size_t k = 0; k < strikes.size(); ++k) strikes[k] = 80 + 2.5 * static_cast<double>(k);
  const std::vector volatilities{0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6};

  const auto tell = [](const parmap::progress& seen) {
    std::cout << seen.done() << " of " << seen.total << " tasks" << std::endl;
  };
  const auto all = parmap::map(simulate, parmap::axis("strike", strikes), parmap::axis("volatility", volatilities),
                               {.reporter = tell,
                                .seed = 1,
                                .store = parmap::checkpoint(chosen.paths.front(), {.name = "simulate"}),
                                .workers = chosen.workers});
  const std::vector<price> prices = all.value();

  double largest = 0;  // deviation from the exact price, in standard errors
  for (std::size_t i = 0; i < prices.size(); ++i) {
    const double should = exact(strikes[i / volatilities.size()], volatilities[i % volatilities.size()]);
    largest = std::max(largest, std::abs(prices[i].mean - should) / prices[i].error);
  }
  std::ofstream table(chosen.output);
  all.write_csv(table);
  std::cout << prices.size() << " prices; the largest deviation from Black-Scholes is " << std::round(10 * largest) / 10
            << " standard errors\n";
  return largest < 5 ? 0 : 1;
}

int main(int argc, char** argv) {
  return example::run(argc, argv, "[--workers N] [--strikes N] [--output FILE] PATH", sweep_resume);
}
