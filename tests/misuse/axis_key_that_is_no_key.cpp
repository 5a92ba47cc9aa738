// expect: parmap::axis: the key of an element must be a number, a bool, an enum or text
// SPDX-License-Identifier: MIT
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

struct model {
  std::string name;
  std::vector<double> weights;
};

int main() {
  const std::vector<model> models{{"a", {1.0}}};
#ifdef PARMAP_BAD
  const auto axis = parmap::axis("model", models, &model::weights);
#else
  const auto axis = parmap::axis("model", models, &model::name);
#endif
  return axis.size() == 1 ? 0 : 1;
}
