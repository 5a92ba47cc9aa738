// expect: a field of this struct cannot leave a worker process.*(.|\n)*specialise parmap::codec for the field
// SPDX-License-Identifier: MIT
// A field without a codec keeps its struct, and whatever contains the struct, in the worker.
#include <parmap/parmap.hpp>

#include <memory>
#include <vector>

struct shared {
  std::shared_ptr<int> number;
};
struct owned {
  std::unique_ptr<int> number;
};

int main() {
  const std::vector<int> x{0, 1, 2};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return std::vector<shared>{{std::make_shared<int>(i)}}; }, x);
#else
  const auto all = parmap::map([](int i) { return owned{std::make_unique<int>(i)}; }, x);
#endif
  return static_cast<int>(all.size());
}
