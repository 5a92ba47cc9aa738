// SPDX-License-Identifier: MIT
// explore tasks=3 workers=2 deaths=1: one plan; `/` between several. explore --deep: the large ones, for minutes.
// Prints a violation and the steps that lead to it; exit 1 then.
#include "run.hpp"

#include <iostream>
#include <string_view>
#include <vector>

int main(int count, char** words) {
  std::vector<weave::plan> plans(1);
  for (int k = 1; k < count; ++k) {
    const std::string_view word(words[k]);
    if (word == "--deep" && count == 2) {
      plans = weave::deep_plans();
    } else if (word == "/") {
      plans.emplace_back();
    } else if (!plans.back().parse(word)) {
      std::cerr << "explore: what is " << word << "?\n";
      return 2;
    }
  }
  for (const weave::plan& each : plans)
    if (const std::string bad = weave::run(each); !bad.empty()) {
      std::cout << bad;
      return 1;
    }
}
