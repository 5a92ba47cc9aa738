// expect: parmap::stream: the outcomes of parmap::mpi are made on many ranks, .*gather::none.* here\(\)
#include "collective_engine.hpp"

#include <parmap/map.hpp>
#include <parmap/stream.hpp>

#include <vector>

int main() {
  const std::vector<int> xs{1, 2};
  const auto f = [](int x) { return x; };
#ifdef PARMAP_BAD
  for (auto&& each : parmap::stream(on_ranks, f, xs)) static_cast<void>(each);
#else
  static_cast<void>(parmap::map(on_ranks, f, xs));
#endif
}
