// SPDX-License-Identifier: MIT
// Whatever cereal serialises is a result: including <parmap/cereal.hpp> is all there is to do.
#include <parmap/cereal.hpp>
#include <parmap/parmap.hpp>

#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/polymorphic.hpp>
#include <cereal/types/string.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct report {
  std::string title;
  std::map<std::string, int> letters;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(title, letters);
  }
};

report count_letters(const std::string& word) {
  report it{word, {}};
  for (const char c : word) ++it.letters[std::string(1, c)];
  return it;
}

// A pointer to a base class brings its derived class along.
struct animal {
  virtual ~animal() = default;
  [[nodiscard]] virtual std::string says() const = 0;
};
struct dog : animal {
  int barks{};
  [[nodiscard]] std::string says() const override { return "wuff " + std::to_string(barks) + " times"; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(barks);
  }
};
CEREAL_REGISTER_TYPE(dog)
CEREAL_REGISTER_POLYMORPHIC_RELATION(animal, dog)

std::unique_ptr<animal> adopt(int barks) {
  auto it = std::make_unique<dog>();
  it->barks = barks;
  return it;
}

int main() {
  const std::vector<std::string> words{"otter", "badger"};
  const auto reports = parmap::map(count_letters, words);
  for (const report& each : reports.values()) {
    std::cout << each.title << ':';
    for (const auto& [letter, count] : each.letters) std::cout << ' ' << letter << ' ' << count;
    std::cout << '\n';
  }
  const std::vector<int> barks{1, 3};
  const auto animals = parmap::map(adopt, barks);
  for (const auto& each : animals.values()) std::cout << each->says() << '\n';
}
