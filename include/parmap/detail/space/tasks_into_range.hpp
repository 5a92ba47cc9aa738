// SPDX-License-Identifier: MIT
// Work whose results go straight into a range of the caller's: for engines whose tasks run in this process.
#pragma once

#include <parmap/context.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <utility>

namespace parmap::detail {

// The beginning of a range, by which its elements are reached most quickly.
template <class Out>
auto first_of(Out& out) {
  if constexpr (std::ranges::contiguous_range<Out>) return std::ranges::data(out);
  else return std::ranges::begin(out);
}

// Task i of `work`, and its value to first[i].
template <class Work, class First>
class tasks_into_range {
 public:
  using result = void;
  static constexpr bool takes_context = Work::takes_context;

  tasks_into_range(First first, const Work& work) : first_(std::move(first)), work_(work) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return work_.size(); }

  template <class Step>
  void for_each(std::uint64_t b, std::uint64_t e, context& self, Step&& step) const {
    work_.for_each(b, e, self, [&](std::uint64_t i, const auto& call) {
      return step(i, [&] { first_[static_cast<std::iter_difference_t<First>>(i)] = call(); });
    });
  }

 private:
  First first_;
  const Work& work_;
};

// The engine's own way, if it has one.
template <class Engine, class First, class Work>
results<void> run_into(const Engine& who, First first, const Work& work, const options& chosen) {
  if constexpr (requires { who.run_into(first, work, chosen); }) return who.run_into(std::move(first), work, chosen);
  else return who.run(tasks_into_range<Work, First>(std::move(first), work), chosen);
}

}  // namespace parmap::detail
