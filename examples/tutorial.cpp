// SPDX-License-Identifier: MIT
// The first steps: a list, every combination of two lists, a function with one argument fixed.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <cmath>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <span>
#include <string>
#include <vector>

int sqr(int x) { return x * x; }

double hypotenuse(int a, int b) { return std::sqrt(a * a + b * b); }

int power(int base, int exponent) {
  int result = 1;
  for (; exponent > 0; --exponent) result *= base;
  return result;
}

void print_row(const std::string& label, const auto& values) {
  std::cout << std::setw(6) << label << " |";
  for (const auto& value : values) std::cout << std::setw(6) << value;
  std::cout << '\n';
}

int tutorial(const example::arguments& chosen) {
  const auto engine = parmap::engine_named(chosen.engine);  // or by its own name: parmap::threads
  const parmap::options options{.workers = chosen.workers};
  const std::vector x{0, 1, 2, 3, 4};

  std::cout << "The square of each x\n\n";
  const std::vector<int> squares = parmap::map(engine, sqr, x, options).value();
  print_row("x", x);
  print_row("x^2", squares);

  std::cout << "\nThe hypotenuse of every combination of two x, the last one fastest\n\n"
            << std::fixed << std::setprecision(2);
  const std::vector<double> lengths = parmap::map(engine, hypotenuse, x, x, options).value();
  print_row("", x);
  for (std::size_t i = 0; i < x.size(); ++i)
    print_row(std::to_string(x[i]), std::span(lengths).subspan(i * x.size(), x.size()));

  std::cout << "\nThe cube of each x: power(x, 3), the 3 fixed by fargs\n\n";
  const std::vector<int> cubes = parmap::map(engine, parmap::fargs(power, 3), x, options).value();
  print_row("x", x);
  print_row("x^3", cubes);
  return 0;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--engine NAME] [--workers N]", tutorial); }
