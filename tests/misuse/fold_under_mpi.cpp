// expect: parmap::fold: parmap::mpi has no fold, .*parmap::map_reduce\(parmap::mpi, f, op, init
#include "collective_engine.hpp"

#include <parmap/map_reduce.hpp>

#include <functional>
#include <vector>

int main() {
  const std::vector<int> xs{1, 2};
#ifdef PARMAP_BAD
  const auto add = [](int& to, int x) { to += x; };
  static_cast<void>(parmap::fold(on_ranks, 0, add, add, xs));
#else
  static_cast<void>(parmap::map_reduce([](int x) { return x; }, std::plus{}, 0, xs));
#endif
}
