// SPDX-License-Identifier: MIT
// interleavings tasks=3 workers=2 deaths=1: one plan; `/` between several. interleavings --deep: the large ones, for
// minutes. Prints a violation and the steps that lead to it; exit 1 then.
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
