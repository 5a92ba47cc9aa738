// SPDX-License-Identifier: MIT
// Sweeps that test_checkpoint_languages.py has in Python, too: sweep_in_cpp WHAT FILE [NUMBER]. It prints how many
// tasks were stored, and the values as Python writes them; or what was thrown.
#include <parmap/checkpoint.hpp>
#include <parmap/parmap.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iomanip>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <ranges>
#include <stop_token>
#include <string>
#include <tuple>
#include <vector>

namespace {

double uniform(parmap::context& self) { return static_cast<double>(self.rng()() >> 11) * 0x1p-53; }
double draw(parmap::context& self, double mu, int x0) { return mu * x0 + uniform(self); }

std::vector<double> mus() {
  std::vector<double> all;
  for (int k = 0; k < 4; ++k) all.push_back(0.5 * k);
  return all;
}
auto numbers(int n) { return parmap::axis("x0", std::views::iota(0, n)); }

struct row {
  double mean;
  int last;
};

int run(const std::string& what, const std::string& file, int n) {
  const parmap::options kept{.reporter = parmap::report::silent,
                             .store = parmap::checkpoint(file, {.existing = {}, .name = "study." + what}),
                             .workers = 2};
  const auto print = [](const auto& all, const auto& text) {
    std::cout << all.stored() << '\n';
    for (const auto& each : all.value()) std::cout << text(each) << '\n';
  };
  const auto number = [](double x) { return x; };
  if (what == "draw") {
    print(parmap::map(draw, parmap::axis("mu", mus()), numbers(n), kept), number);
  } else if (what == "fold") {
    const auto all = parmap::fold(
        0.0, [](parmap::context& self, double& sum, int x0) { sum += uniform(self) / (x0 + 1); },
        [](double& a, double b) { a += b; }, numbers(n), kept);
    std::cout << all.stored() << '\n' << all.value() << '\n';
  } else if (what == "bins") {
    using bins = std::map<int, double>;
    const auto all = parmap::fold(
        bins(), [](bins& into, int x0) { into[x0 % 3] += 1.0 / (x0 + 1); },
        [](bins& a, const bins& b) {
          for (const auto& [bin, sum] : b) a[bin] += sum;
        },
        numbers(n), kept);
    std::cout << all.stored() << '\n';
    for (const auto& [bin, sum] : all.value()) std::cout << bin << ' ' << sum << '\n';
  } else if (what == "words") {
    const auto f = [](int x0) { return std::vector<std::string>{std::to_string(x0), "\u00e9\""}; };
    print(parmap::map(f, numbers(n), kept), [](const auto& words) { return words.at(0) + words.at(1); });
  } else if (what == "pairs") {
    using value = std::tuple<int, std::optional<double>, std::map<std::string, std::vector<double>>>;
    const auto f = [](int x0) { return value{x0, std::nullopt, {{"a", {0.1, x0 + 0.5}}}}; };
    print(parmap::map(f, numbers(n), kept), [](const value& it) {
      return std::to_string(std::get<0>(it)) + ' ' + std::to_string(std::get<2>(it).at("a").at(1));
    });
  } else if (what == "arrays") {
    const auto f = [](int x0) { return std::vector<double>{0.5, 1.0 * x0}; };
    print(parmap::map(f, numbers(n), kept), [](const auto& all) { return all.at(1); });
  } else if (what == "rows") {
    const auto f = [](int x0) { return row{0.5, x0}; };
    print(parmap::map(f, numbers(n), kept), [](const row& it) { return it.last; });
  } else if (what == "long") {  // only the elements are compared
    std::stop_source over;
    over.request_stop();
    parmap::options none = kept;
    none.stop = over.get_token();
    std::vector<double> all;
    for (int k = 0; k < n; ++k) all.push_back(0.1 * k);
    const auto made = parmap::map(parmap::threads, number, parmap::axis("x", all), none);
    std::cout << made.failures().size() << '\n';
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::cout << std::setprecision(std::numeric_limits<double>::max_digits10);
  try {
    return argc > 2 ? run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 3) : 2;
  } catch (const std::exception& error) {
    std::cout << error.what() << '\n';
    return 1;
  }
}
