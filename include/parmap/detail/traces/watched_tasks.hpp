// SPDX-License-Identifier: MIT
// watched_tasks: the tasks of a map or stream, as who watches it sees them.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/renumbering.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// Whether the text of these elements is made by our code alone, of what lies in memory.
template <class... Elements>
consteval bool has_cheap_text(list<Elements...>) {
  const auto is_cheap = []<class T>(std::type_identity<T>) {
    constexpr input_kind kind = kind_of_input<T>();
    return kind != input_kind::foreign || std::is_same_v<T, std::string_view> || std::is_pointer_v<T>;
  };
  return (is_cheap(std::type_identity<std::remove_cvref_t<Elements>>()) && ...);
}

template <class Space>
std::function<std::string(std::uint64_t)> texts_of([[maybe_unused]] const Space& space) {
  if constexpr (requires(input_text& text) { space.show(std::uint64_t{}, text); }) {
    if constexpr (has_cheap_text(typename Space::elements()))
      return [&space](std::uint64_t index) {
        input_text text;
        space.show(index, text);
        return text.take();
      };
  }
  return {};
}

struct watched_tasks {
  std::optional<std::uint64_t> size{};                    // none: not known yet
  std::uint64_t stored{};                                 // how many more need not run
  std::function<std::string(std::uint64_t task)> text{};  // of a task's inputs; may be empty
  const renumbering* numbers{};                           // of the tasks that are told; null: they are their own
};

// Refers to the tasks.
template <class Tasks>
watched_tasks watched(const Tasks& tasks) {
  const renumbering* const numbers = tasks.renumbered();
  return {tasks.size(), numbers == nullptr ? 0 : numbers->stored(), texts_of(tasks.space()), numbers};
}

}  // namespace parmap::inline PARMAP_ABI::detail
