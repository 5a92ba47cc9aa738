// SPDX-License-Identifier: MIT
// The command line of the search. `interleavings tasks=3 workers=2 deaths=1` explores one plan; `/` separates several.
// `interleavings --deep` explores the large plans and takes minutes. A violation is printed with the steps that lead to
// it; the exit status is then 1.
#include "explore_plan.hpp"

#include <iostream>
#include <string_view>
#include <vector>

int main(int count, char** words) {
  std::vector<interleavings::plan> plans(1);
  for (int k = 1; k < count; ++k) {
    const std::string_view word(words[k]);
    if (word == "--deep" && count == 2) {
      plans = interleavings::deep_plans();
    } else if (word == "/") {
      plans.emplace_back();
    } else if (!plans.back().parse(word)) {
      std::cerr << "interleavings: what is " << word << "?\n";
      return 2;
    }
  }
  for (const interleavings::plan& each : plans)
    if (const std::string bad = interleavings::run(each); !bad.empty()) {
      std::cout << bad;
      return 1;
    }
}
