// SPDX-License-Identifier: MIT
// A result type of one's own: a specialisation of parmap::codec says how it leaves a worker process.
#include <parmap/parmap.hpp>

#include <cstddef>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// A struct of public fields would need nothing. This class keeps its members to itself, as not any will do together.
class picture {
 public:
  picture(std::size_t width, std::string dots) : width_(width), dots_(std::move(dots)) {
    if (width_ == 0 || dots_.size() % width_ != 0) throw std::invalid_argument("the dots do not form a rectangle");
  }
  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] const std::string& dots() const { return dots_; }

 private:
  std::size_t width_;
  std::string dots_;
};

template <>
struct parmap::codec<picture> {
  static void encode(encoder& out, const picture& it) {
    out.put(it.width());
    out.put(it.dots());
  }
  static picture decode(decoder& in) {
    const auto width = in.get<std::size_t>();  // in the order in which they were put
    return {width, in.get<std::string>()};
  }
};

picture triangle(std::size_t size) {
  std::string dots;
  for (std::size_t row = 1; row <= size; ++row) dots += std::string(row, '#') + std::string(size - row, '.');
  return {size, dots};
}

int main() {
  const std::vector<std::size_t> sizes{2, 0, 3};
  const auto pictures = parmap::map(triangle, sizes);

  for (const picture& each : pictures.values()) {
    for (std::size_t at = 0; at < each.dots().size(); at += each.width())
      std::cout << each.dots().substr(at, each.width()) << '\n';
    std::cout << '\n';
  }
  for (const parmap::failure& why : pictures.failures()) std::cout << why << '\n';
}
