// SPDX-License-Identifier: MIT
// A sweep on all ranks of an MPI job: where does a driven pendulum end? One point of the grid crashes and one never
// ends; they cost themselves. Run it alone, or: mpirun --bind-to none --map-by ppr:1:node ./mpi_sweep
#include <parmap/axis.hpp>
#include <parmap/mpi.hpp>
#include <parmap/parmap.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <vector>

// The energy after 200 periods of a drive of this strength, by semi-implicit Euler steps.
double pendulum(double strength, double damping) {
  if (strength == 0.25 && damping == 0.5) std::abort();
  volatile bool for_ever = strength == 0.75 && damping == 0.1;
  while (for_ever) {
  }
  constexpr double step = 1e-2;
  double angle = 0.1;
  double speed = 0;
  for (double t = 0; t < 200 * 6.283; t += step) {
    speed += step * (-std::sin(angle) - damping * speed + strength * std::cos(2 * t / 3));
    angle += step * speed;
  }
  return speed * speed / 2 + 1 - std::cos(angle);
}

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  parmap::mpi_session session(argc, argv);

  std::vector<double> strengths(12);
  for (std::size_t k = 0; k < strengths.size(); ++k) strengths[k] = 0.25 * static_cast<double>(k);
  const std::vector<double> dampings{0.1, 0.2, 0.5, 1.0};

  // Every rank calls it. The values come to rank 0.
  const auto energies = parmap::map(parmap::mpi, pendulum, parmap::axis("strength", strengths),
                                    parmap::axis("damping", dampings), {.timeout = 2s});

  if (session.rank() == 0) {
    double sum = 0;
    for (const double energy : energies.values()) sum += energy;
    std::cout << energies.size() << " points, of which " << energies.failures().size() << " have failed\n";
    for (const parmap::failure& why : energies.failures())
      std::cout << "  task " << why.index << " (" << why.inputs << ") " << why.kind << '\n';
    std::cout << "all other energies are " << (std::isfinite(sum) ? "finite" : "not finite") << '\n';
  }
}
