// SPDX-License-Identifier: MIT
// tasks_into_range: tasks that write their results into a range of the caller; for engines that run in this process.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The beginning of a range: a pointer if it is contiguous, which is fastest.
template <class Out>
auto first_of(Out& out) {
  if constexpr (std::ranges::contiguous_range<Out>) return std::ranges::data(out);
  else return std::ranges::begin(out);
}

template <class Tasks>
struct shown_as {};
template <class Tasks>
  requires requires { typename Tasks::element_types; }
struct shown_as<Tasks> {
  using element_types = typename Tasks::element_types;
};

// Task i runs task i of `tasks` and assigns its value to first[i].
template <class Tasks, class First>
class tasks_into_range : public shown_as<Tasks> {
 public:
  using result = void;
  static constexpr bool takes_context = Tasks::takes_context;

  tasks_into_range(First first, const Tasks& tasks) : first_(std::move(first)), tasks_(tasks) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return tasks_.size(); }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    tasks_.show(i, to);
  }

  template <class Visit>
  void for_each(std::uint64_t b, std::uint64_t e, context& self, Visit&& visit) const {
    tasks_.for_each(b, e, self, [&](std::uint64_t i, const auto& call) {
      return visit(i, [&] { first_[static_cast<std::iter_difference_t<First>>(i)] = call(); });
    });
  }

 private:
  First first_;
  const Tasks& tasks_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
