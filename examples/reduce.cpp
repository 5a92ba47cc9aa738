// SPDX-License-Identifier: MIT
// One value for a million tasks: a sum and a histogram, with the same bits for any number of workers.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iomanip>
#include <iostream>
#include <ranges>
#include <string>

// Of the logistic map, which is chaotic: where the population is after 20 years.
double population(unsigned i) {
  double x = (i + 0.5) / 1e6;
  for (int year = 0; year < 20; ++year) x = 3.9 * x * (1 - x);
  return x;
}

constexpr std::size_t bins = 10;
using histogram = std::array<unsigned, bins>;

int reduce(const example::arguments& chosen) {
  const auto starts = std::views::iota(0U, 1'000'000U);
  const auto engine = parmap::engine_named(chosen.engine);

  const auto mean = [&](unsigned workers) {
    return parmap::map_reduce(engine, population, std::plus{}, 0.0, starts, {.workers = workers}).value() / 1e6;
  };
  const double expected = mean(1);
  bool same = true;
  for (const unsigned workers : {2U, 3U, 8U}) same = same && mean(workers) == expected;
  std::cout << "the mean is " << std::fixed << std::setprecision(6) << expected << ", "
            << (same ? "bit by bit the same" : "not the same") << " for 1, 2, 3 and 8 workers\n\n";

  const auto count = [](histogram& seen, unsigned i) {
    ++seen[std::min(bins - 1, static_cast<std::size_t>(population(i) * bins))];
  };
  const auto merge = [](histogram& all, const histogram& more) {
    std::ranges::transform(all, more, all.begin(), std::plus{});
  };
  const histogram seen = parmap::fold(engine, histogram{}, count, merge, starts, {.workers = chosen.workers}).value();
  for (std::size_t k = 0; k < bins; ++k)
    std::cout << std::setprecision(1) << static_cast<double>(k) / bins << ' '
              << std::string(seen[k] * 60 / *std::ranges::max_element(seen), '#') << '\n';
  return same ? 0 : 1;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--engine NAME] [--workers N]", reduce); }
