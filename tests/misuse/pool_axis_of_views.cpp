// expect: let the axis have the values themselves
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/parmap.hpp>

#include <string>
#include <string_view>
#include <vector>

int main() {
#ifdef PARMAP_BAD
  const std::vector<std::string_view> names{"a", "b"};
#else
  const std::vector<std::string> names{"a", "b"};
#endif
  const auto space = parmap::product(std::vector{1, 2}, names);
  return parmap::detail::check_sent_space<decltype(space)>() && space.size() > 4 ? 1 : 0;
}
