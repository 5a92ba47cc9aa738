// SPDX-License-Identifier: MIT
// failure_causes: groups the failures of a map by their cause.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The text with "..." in place of each number. Two messages of one cause often differ in a number only.
[[nodiscard]] std::string without_numbers(std::string_view text);

// What two failures of one cause have in common: the kind, and the message without its numbers. In the message of a
// worker's death they count: they are a signal or an exit status.
[[nodiscard]] std::string key_of_cause(const failure& why);

// Failures come in the order of their tasks.
class failure_causes {
 public:
  // `count` consecutive tasks have failed for this reason; `first` is the first of them, and must outlive this object.
  void add(const failure& first, std::uint64_t count);
  // The cause of most failures first; of two equals the one that came first. O(k log k) for k calls of add.
  [[nodiscard]] std::vector<failure_cause> take() &&;

 private:
  struct entry {
    std::string key;
    const failure* first;
    std::uint64_t count;
  };

  std::vector<entry> all_;
};

inline constexpr std::size_t most_shown = 5;  // causes, or failures

// "timed out: ran longer than 5 s", on one line.
[[nodiscard]] std::string kind_and_message(failure_kind kind, std::string_view message);

// A line for each of the first most_shown causes, and one that counts the others. Each begins with a newline and two
// spaces.
[[nodiscard]] std::string format_causes(const std::vector<failure_cause>& all);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/failure_causes.inl.hpp>
#endif
