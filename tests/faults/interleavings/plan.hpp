// SPDX-License-Identifier: MIT
// How large a map to explore, and what may happen to it; in words, for a command line and for what a test prints.
#pragma once

#include <array>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace interleavings {

struct plan {
  unsigned tasks{1};
  unsigned workers{1};
  unsigned deaths{};  // of workers, at any step
  unsigned retries{};
  unsigned throwing{};      // a bit for each task whose body may throw, at any attempt
  unsigned halt{};          // it may be set at any moment, by nobody in particular
  unsigned refusals{};      // forks that may be refused
  unsigned max_failures{};  // 0: no limit
  unsigned encoded{};       // results are strings
  unsigned worn{};          // what throws is out of memory, under a memory_limit
  unsigned looks{};         // of the supervisor at what has ended, while workers run

  // Otherwise nobody writes the word.
  [[nodiscard]] bool may_halt() const noexcept { return halt != 0 || max_failures != 0 || refusals >= tries; }
  static constexpr unsigned tries = 2;  // to fork, when nobody is left; a hundred in supervisor.hpp

  static constexpr auto fields() {
    return std::array{std::pair{"tasks", &plan::tasks},       std::pair{"workers", &plan::workers},
                      std::pair{"deaths", &plan::deaths},     std::pair{"retries", &plan::retries},
                      std::pair{"throwing", &plan::throwing}, std::pair{"halt", &plan::halt},
                      std::pair{"refusals", &plan::refusals}, std::pair{"max_failures", &plan::max_failures},
                      std::pair{"encoded", &plan::encoded},   std::pair{"worn", &plan::worn},
                      std::pair{"looks", &plan::looks}};
  }
  // As parse() takes it, with another character in place of '=' and ' ' if need be.
  [[nodiscard]] std::string text(char is = '=', char then = ' ') const {
    std::string all;
    for (const auto& [name, field] : fields())
      if (this->*field != 0)
        (((all += all.empty() ? "" : std::string(1, then)) += name) += is) += std::to_string(this->*field);
    return all;
  }
  // "tasks=3"; false if it is nothing of that kind.
  bool parse(std::string_view word) {
    for (const auto& [name, field] : fields())
      if (word.substr(0, word.find('=')) == name && word.find('=') != std::string_view::npos) {
        this->*field = static_cast<unsigned>(std::stoul(std::string(word.substr(word.find('=') + 1))));
        return true;
      }
    return false;
  }
  friend void PrintTo(const plan& it, std::ostream* out) { *out << it.text(); }
};

inline const std::vector<plan>& quick_plans() {
  static const std::vector<plan> all{
      {.tasks = 2, .workers = 3, .deaths = 2},
      {.tasks = 3, .workers = 3, .deaths = 1},
      {.tasks = 4, .workers = 2, .deaths = 2},
      {.tasks = 5, .workers = 1, .deaths = 3},
      {.tasks = 2, .workers = 2, .deaths = 3, .retries = 2},
      {.tasks = 3, .workers = 2, .deaths = 2, .refusals = 2},
      {.tasks = 4, .workers = 2, .deaths = 2, .halt = 1},
      {.tasks = 3, .workers = 2, .deaths = 2, .retries = 1, .throwing = 0b010},
      {.tasks = 3, .workers = 2, .deaths = 1, .throwing = 0b110, .max_failures = 2},
      {.tasks = 3, .workers = 1, .deaths = 3, .retries = 1, .throwing = 0b011, .halt = 1, .refusals = 3},
      {.tasks = 2, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b01, .halt = 1, .refusals = 1},
      {.tasks = 3, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b010, .encoded = 1},
      {.tasks = 3, .workers = 1, .deaths = 2, .throwing = 0b111, .encoded = 1},
      {.tasks = 3, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b010, .worn = 1},
      {.tasks = 3, .workers = 2, .deaths = 1, .looks = 2},
      {.tasks = 3, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b010, .looks = 1},
  };
  return all;
}

inline const std::vector<plan>& deep_plans() {
  static const std::vector<plan> all{
      {.tasks = 3, .workers = 3, .deaths = 2},
      {.tasks = 5, .workers = 2, .deaths = 3},
      {.tasks = 4, .workers = 2, .deaths = 3, .refusals = 2},
      {.tasks = 4, .workers = 2, .deaths = 3, .retries = 1},
      {.tasks = 4, .workers = 2, .deaths = 2, .halt = 1},
      {.tasks = 4, .workers = 2, .deaths = 2, .retries = 1, .throwing = 0b0110},
      {.tasks = 3, .workers = 2, .deaths = 2, .retries = 1, .throwing = 0b010, .halt = 1, .refusals = 1},
      {.tasks = 4, .workers = 1, .deaths = 4, .retries = 1, .throwing = 0b0110, .halt = 1, .refusals = 3},
      {.tasks = 3, .workers = 2, .deaths = 2, .retries = 1, .throwing = 0b010, .encoded = 1},
      {.tasks = 3, .workers = 2, .deaths = 2, .retries = 1, .throwing = 0b011, .halt = 1, .worn = 1},
  };
  return all;
}

}  // namespace interleavings
