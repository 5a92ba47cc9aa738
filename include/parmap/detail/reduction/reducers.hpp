// SPDX-License-Identifier: MIT
// reducers: how the values of tasks become one, for map_reduce and for fold.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/reduction.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A reducer has: value, the type of an accumulator; makes_values, whether a task makes a value that is then combined
// (map_reduce), or changes the accumulator itself (fold); block(n), how many tasks are folded from left to right;
// start(block), the accumulator before the first task of a block; combined(left, right), which leaves both as they are
// if it throws. Refers to what it was made of. As safe to use from several threads at once as that is.

template <class T, class Op>
class value_reducer {
 public:
  using value = T;
  static constexpr bool makes_values = true;

  value_reducer(Op& op, const T& init) noexcept : op_(&op), init_(&init) {}

  [[nodiscard]] static constexpr std::uint64_t block(std::uint64_t /*tasks*/) noexcept { return reduction_block; }
  // None: the first value is the accumulator.
  [[nodiscard]] std::optional<T> start(std::uint64_t block) const {
    return block == 0 ? std::optional<T>(*init_) : std::nullopt;
  }
  [[nodiscard]] const T& initial() const noexcept { return *init_; }
  template <class Right>
  [[nodiscard]] T combined(const T& left, Right&& right) const {
    return static_cast<T>(std::invoke(*op_, left, std::forward<Right>(right)));
  }

 private:
  Op* op_;
  const T* init_;
};

template <class T, class Merge>
class accumulator_reducer {
 public:
  using value = T;
  static constexpr bool makes_values = false;

  accumulator_reducer(Merge& merge, const T& identity) noexcept : merge_(&merge), identity_(&identity) {}

  [[nodiscard]] static constexpr std::uint64_t block(std::uint64_t tasks) noexcept { return fold_block(tasks); }
  [[nodiscard]] std::optional<T> start(std::uint64_t /*block*/) const { return *identity_; }
  [[nodiscard]] const T& initial() const noexcept { return *identity_; }
  [[nodiscard]] T combined(const T& left, const T& right) const {
    T made(left);
    std::invoke(*merge_, made, right);
    return made;
  }

 private:
  Merge* merge_;
  const T* identity_;
};

// fold's step as the f of a map: a task changes the accumulator that it is bound to.
template <class Step, class T>
class bound_step {
 public:
  using step = Step;

  explicit bound_step(Step& call, T* into = nullptr) noexcept : call_(&call), into_(into) {}
  [[nodiscard]] bound_step to(T& into) const noexcept { return bound_step(*call_, &into); }
  [[nodiscard]] Step& call() const noexcept { return *call_; }

  template <class... X>
    requires std::invocable<Step&, T&, X...>
  void operator()(X&&... x) const noexcept(std::is_nothrow_invocable_v<Step&, T&, X...>) {
    static_cast<void>(std::invoke(*call_, *into_, std::forward<X>(x)...));
  }
  template <class... X>
    requires(!std::invocable<Step&, T&, context&, X...> && std::invocable<Step&, context&, T&, X...>)
  void operator()(context& self, X&&... x) const noexcept(std::is_nothrow_invocable_v<Step&, context&, T&, X...>) {
    static_cast<void>(std::invoke(*call_, self, *into_, std::forward<X>(x)...));
  }

 private:
  Step* call_;
  T* into_;
};

// Whether a task of these cannot throw between the beginning of the step and its end.
template <class F, class Elements>
inline constexpr bool steps_without_throwing = false;
template <class F, class... Elements>
inline constexpr bool steps_without_throwing<F, list<Elements...>> =
    std::is_nothrow_invocable_v<F&, Elements...> || std::is_nothrow_invocable_v<F&, context&, Elements...>;

// Where the tasks of a reduction lie.
class block_rule {
 public:
  block_rule(std::uint64_t tasks, std::uint64_t block) noexcept : tasks_(tasks), block_(block) {}

  [[nodiscard]] std::uint64_t tasks() const noexcept { return tasks_; }
  [[nodiscard]] std::uint64_t tasks_of_block() const noexcept { return block_; }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return tasks_ / block_ + (tasks_ % block_ != 0 ? 1 : 0); }
  [[nodiscard]] std::uint64_t block_of(std::uint64_t task) const noexcept { return task / block_; }
  [[nodiscard]] std::uint64_t begin(std::uint64_t block) const noexcept { return block * block_; }
  [[nodiscard]] std::uint64_t end(std::uint64_t block) const noexcept {
    return block + 1 < blocks() ? (block + 1) * block_ : tasks_;
  }

 private:
  std::uint64_t tasks_;
  std::uint64_t block_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
