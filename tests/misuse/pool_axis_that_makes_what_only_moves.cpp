// expect: this type cannot be copied; store the elements in a
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/parmap.hpp>

#include <memory>
#include <ranges>
#include <vector>

int main() {
  const auto made = std::views::iota(0, 2) | std::views::transform([](int x) { return std::make_unique<int>(x); });
#ifdef PARMAP_BAD
  const auto space = parmap::product(made);
#else
  std::vector<std::unique_ptr<int>> stored;
  for (auto&& each : made) stored.push_back(std::move(each));
  const auto space = parmap::product(stored);
#endif
  return parmap::detail::check_sent_space<decltype(space)>() && space.size() > 2 ? 1 : 0;
}
