// SPDX-License-Identifier: MIT
// A sweep over 20 parameters, four of which go wrong in four ways: each costs itself alone, and says why.
#include "arguments.hpp"

#include <parmap/parmap.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;

// The model, with the weak spots that models have: after how many seconds a pendulum is at rest.
double seconds_to_rest(double damping) {
  static const std::vector<double> correction{1.00, 1.02, 1.05};  // of the damping, by its whole part
  if (std::isnan(damping)) std::exit(3);
  if (damping < 0) throw std::domain_error("the damping must not be negative");
  damping *= correction[static_cast<std::size_t>(damping)];  // nobody checks the index

  constexpr double step = 0.001;
  double angle = 1;
  double speed = 0;
  double seconds = 0;
  for (; speed * speed / 2 + 1 - std::cos(angle) > 1e-4; seconds += step) {  // endless if there is no damping
    speed -= step * (std::sin(angle) + damping * speed);
    angle += step * speed;
  }
  return seconds;
}

// Whether the model throws, and whether it does worse.
bool throws(double damping) { return damping < 0; }
bool crashes_exits_or_hangs(double damping) { return damping > 1e3 || std::isnan(damping) || damping == 0; }

int sweep(const example::arguments& chosen) {
  const auto engine = parmap::engine_named(chosen.engine);
  parmap::options options{.workers = chosen.workers};
  std::vector<double> dampings{
      0.1,  0.2, 0.3, 0.4, 0.5,  //
      -0.6,                      // a wrong sign: throws
      0.7,  0.8, 0.9, 1.0,       //
      1e12,                      // a wrong unit: reads far outside of the table and crashes
      1.1,  1.2, 1.3,            //
      NAN,                       // a missing value: calls exit
      1.4,  1.5, 1.6,            //
      0,                         // never at rest: hangs
      1.7,
  };

  if (engine.name() == "multi") {
    options.timeout = 1s;
  } else if (engine.name() == "threads") {
    std::erase_if(dampings, crashes_exits_or_hangs);
    std::cout << "The engine threads runs tasks inside this program, and one that crashes, exits or hangs takes all\n"
                 "of it along. So these three are left out; the engine multi survives them.\n\n";
  } else {
    std::erase_if(dampings, [](double d) { return throws(d) || crashes_exits_or_hangs(d); });
    std::cout << "The engine serial is a plain loop, which ends with the first task that throws, crashes, exits or\n"
                 "hangs. So these four are left out; the engine multi survives them.\n\n";
  }

  const auto seconds = parmap::map(engine, seconds_to_rest, dampings, options);

  std::cout << "damping   seconds to rest\n" << std::fixed << std::setprecision(1);
  std::size_t done = 0;
  for (std::size_t i = 0; i < dampings.size(); ++i) {
    if (const double* value = seconds.get_if(i)) {
      std::cout << std::setw(7) << dampings[i] << std::setw(18) << *value << '\n';
      ++done;
    }
  }
  std::cout << '\n' << done << " results; failures: " << seconds.failures().size() << '\n';
  for (const parmap::failure& why : seconds.failures()) std::cout << why << '\n';
  return done == 16 ? 0 : 1;
}

int main(int argc, char** argv) { return example::run(argc, argv, "[--engine NAME] [--workers N]", sweep); }
