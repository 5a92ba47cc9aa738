// SPDX-License-Identifier: MIT
// Maps of each kind, compiled without running by the warnings that some projects turn into errors: parmap's headers
// cause none.
#include <parmap/parmap.hpp>

#include <cstdint>
#include <functional>
#include <ranges>
#include <string>
#include <vector>

int main() {
  const std::vector<int> x{1, 2, 3};
  const auto words = parmap::map([](int i) { return std::to_string(i); }, x, {.retries = 1});
  const auto numbers =
      parmap::map([](std::uint64_t i) { return i; }, std::views::iota(std::uint64_t{0}, std::uint64_t{5}));
  const auto lists = parmap::map([](int i) { return std::vector<int>{i}; }, x);
  const auto grid = parmap::map(parmap::threads, [](int a, int b) { return a * b; }, x, x);
  const auto loop = parmap::map(parmap::serial, [](parmap::context&, int i) { return i; }, x);
  std::vector<int> out(3);
  parmap::map_into(parmap::threads, out, [](int i) { return i; }, x).value();
  const auto sum = parmap::map_reduce([](int i) { return i; }, std::plus{}, 0.0, x);
  const auto text =
      parmap::map_reduce(parmap::threads, [](int i) { return std::to_string(i); }, std::plus{}, std::string(), x);
  const auto all = parmap::fold(0, [](int& a, int i) { a += i; }, [](int& a, int b) { a += b; }, x);
  out[0] += static_cast<int>(sum.value()) + static_cast<int>(text.size()) + all.value();
  for (const std::string& each : words.values()) out[0] += each.empty() ? 1 : 0;
  return words.ok() && numbers.ok() && lists.ok() && grid.ok() && loop.ok() ? out[0] : 1;
}
