// expect: the elements of this axis cannot be sent .*(.|\n)*specialise parmap::codec for it
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/parmap.hpp>

#include <memory>
#include <vector>

int main() {
#ifdef PARMAP_BAD
  const std::vector<std::shared_ptr<int>> numbers(2);
#else
  const std::vector<std::unique_ptr<int>> numbers(2);
#endif
  const auto space = parmap::zip(std::vector{1, 2}, numbers);
  return parmap::detail::check_sent_space<decltype(space)>() && space.size() > 2 ? 1 : 0;
}
