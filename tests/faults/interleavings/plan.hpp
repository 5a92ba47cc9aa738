// SPDX-License-Identifier: MIT
// The size of a map to explore and the events that may occur in it, with a text form for the command line and test
// output.
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
  unsigned deaths{};  // workers that may die, at any step
  unsigned retries{};
  unsigned throwing{};      // a bit for each task whose body may throw, in any attempt
  unsigned halt{};          // nonzero: `halt` may be set once, at any moment
  unsigned refusals{};      // forks that may be refused
  unsigned max_failures{};  // 0: no limit
  unsigned encoded{};       // results are strings
  unsigned worn{};          // nonzero: bodies throw std::bad_alloc, under a memory_limit
  unsigned looks{};         // how often the supervisor looks at what has ended while workers run
  unsigned postpones{};     // nonzero: a failed attempt is not repeated at once
  unsigned window{};        // nonzero: a stream with this window
  unsigned ordered{};       // its caller wants outcomes in order
  unsigned endless{};       // it says on the way where the tasks end
  unsigned room{};          // who has more outcomes unread begins no task; values lie in the heap (encoded)

  // If false, no process ever writes `halt`.
  [[nodiscard]] bool may_halt() const noexcept { return halt != 0 || max_failures != 0 || refusals >= tries; }
  static constexpr unsigned tries = 2;  // attempts to fork when no worker is left; 100 in supervisor.hpp

  static constexpr auto fields() {
    return std::array{std::pair{"tasks", &plan::tasks},       std::pair{"workers", &plan::workers},
                      std::pair{"deaths", &plan::deaths},     std::pair{"retries", &plan::retries},
                      std::pair{"throwing", &plan::throwing}, std::pair{"halt", &plan::halt},
                      std::pair{"refusals", &plan::refusals}, std::pair{"max_failures", &plan::max_failures},
                      std::pair{"encoded", &plan::encoded},   std::pair{"worn", &plan::worn},
                      std::pair{"looks", &plan::looks},       std::pair{"postpones", &plan::postpones},
                      std::pair{"window", &plan::window},     std::pair{"ordered", &plan::ordered},
                      std::pair{"endless", &plan::endless},   std::pair{"room", &plan::room}};
  }
  // The form that parse() reads. `is` and `then` replace '=' and ' '.
  [[nodiscard]] std::string text(char is = '=', char then = ' ') const {
    std::string all;
    for (const auto& [name, field] : fields())
      if (this->*field != 0)
        (((all += all.empty() ? "" : std::string(1, then)) += name) += is) += std::to_string(this->*field);
    return all;
  }
  // Reads a word such as "tasks=3". Returns false if it is no such word.
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
      {.tasks = 1, .workers = 1, .deaths = 2, .retries = 2, .throwing = 0b1, .halt = 1, .refusals = 1, .postpones = 1},
      {.tasks = 2, .workers = 1, .deaths = 1, .retries = 1, .throwing = 0b11, .postpones = 1},
      {.tasks = 2, .workers = 1, .deaths = 1, .retries = 1, .throwing = 0b01, .encoded = 1, .postpones = 1},
      {.tasks = 2, .workers = 2, .retries = 1, .throwing = 0b01, .postpones = 1},
      {.tasks = 1, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b1, .postpones = 1},
      {.tasks = 2, .workers = 1, .deaths = 1, .window = 2},
      {.tasks = 1, .workers = 2, .window = 1, .ordered = 1},
      {.tasks = 2, .workers = 1, .throwing = 0b11, .window = 1},
      {.tasks = 1, .workers = 1, .deaths = 1, .throwing = 0b1, .window = 1, .endless = 1},
      {.tasks = 2, .workers = 1, .halt = 1, .window = 2, .endless = 1},
      {.tasks = 3, .workers = 1, .encoded = 1, .window = 2, .ordered = 1, .room = 1},
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
      {.tasks = 2, .workers = 1, .deaths = 2, .retries = 1, .throwing = 0b11, .halt = 1, .refusals = 1, .postpones = 1},
      {.tasks = 3, .workers = 1, .deaths = 1, .retries = 1, .throwing = 0b111, .postpones = 1},
      {.tasks = 2, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b01, .postpones = 1},
      {.tasks = 2, .workers = 2, .retries = 1, .throwing = 0b11, .postpones = 1},
      {.tasks = 1, .workers = 2, .deaths = 1, .retries = 1, .throwing = 0b1, .halt = 1, .postpones = 1},
      {.tasks = 2, .workers = 2, .window = 2, .ordered = 1},
      {.tasks = 3, .workers = 1, .deaths = 1, .encoded = 1, .window = 2},
      {.tasks = 1, .workers = 2, .deaths = 1, .retries = 1, .refusals = 1, .window = 1},
      {.tasks = 2, .workers = 1, .deaths = 1, .retries = 1, .halt = 1, .window = 1},
      {.tasks = 2, .workers = 1, .deaths = 1, .throwing = 0b01, .max_failures = 1, .window = 2},
      {.tasks = 2, .workers = 1, .deaths = 1, .throwing = 0b01, .window = 2},
  };
  return all;
}

}  // namespace interleavings
