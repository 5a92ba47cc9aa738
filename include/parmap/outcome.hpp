// SPDX-License-Identifier: MIT
// outcome: the value of a task, or the failure that it has instead.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <version>
#ifdef __cpp_lib_expected
#include <expected>
#endif

namespace parmap::inline PARMAP_ABI {

template <class T>
class outcome;

namespace detail {

template <class T>
inline constexpr bool is_outcome = false;
template <class T>
inline constexpr bool is_outcome<outcome<T>> = true;

// A failure elsewhere in memory: an outcome is to be as small as its value, as most of them hold one.
class boxed_failure {
 public:
  explicit boxed_failure(failure why) : why_(std::make_unique<failure>(std::move(why))) {}
  boxed_failure(const boxed_failure& other) : why_(std::make_unique<failure>(other.get())) {}
  boxed_failure(boxed_failure&&) noexcept = default;  // the other one has an empty failure then
  boxed_failure& operator=(boxed_failure other) noexcept {
    why_ = std::move(other.why_);
    return *this;
  }
  ~boxed_failure() = default;

  [[nodiscard]] const failure& get() const noexcept { return why_ ? *why_ : empty(); }
  [[nodiscard]] failure take() noexcept { return why_ ? std::move(*why_) : failure(); }

 private:
  static const failure& empty() noexcept {
    static const failure none;
    return none;
  }

  std::unique_ptr<failure> why_;
};

// The members of outcome<T> that do not depend on what T can do.
template <class Held>
class outcome_base {
 public:
  /// Whether there is a value. O(1).
  [[nodiscard]] bool has_value() const noexcept { return held_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// Why there is no value. Undefined if there is one.
  [[nodiscard]] const failure& error() const& noexcept { return std::get_if<1>(&held_)->get(); }
  [[nodiscard]] failure error() && noexcept { return std::get_if<1>(&held_)->take(); }

 protected:
  template <class... Arguments>
  explicit outcome_base(std::in_place_index_t<0> at, Arguments&&... from)
      : held_(at, std::forward<Arguments>(from)...) {}
  explicit outcome_base(failure why) : held_(std::in_place_index<1>, std::move(why)) {}

  [[nodiscard]] Held& held() noexcept { return *std::get_if<0>(&held_); }
  [[nodiscard]] const Held& held() const noexcept { return *std::get_if<0>(&held_); }
  void require_value() const {
    if (!has_value()) throw task_failed(error());
  }

 private:
  std::variant<Held, boxed_failure> held_;
};

}  // namespace detail

/// The outcome of a task: its value, or the failure that it has instead. The interface is that of
/// std::expected<T, failure>, to which it converts where the library has it; but value() throws task_failed.
///
///     for (const auto& [index, outcome] : all.outcomes())
///       if (outcome) use(index, *outcome);
///       else std::cerr << outcome.error() << '\n';
///
/// A regular value type if T is one. Several threads may read an outcome at once.
template <class T>
class [[nodiscard]] outcome : public detail::outcome_base<T> {
  using base = detail::outcome_base<T>;

 public:
  using value_type = T;
  using error_type = failure;

  /// An outcome with this value.
  template <class U = T>
    requires(std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, failure> &&
             !detail::is_outcome<std::remove_cvref_t<U>>)
  outcome(U&& value)  // NOLINT(google-explicit-constructor): as std::expected
      : base(std::in_place_index<0>, std::forward<U>(value)) {}
  /// An outcome without a value.
  outcome(failure why) : base(std::move(why)) {}  // NOLINT(google-explicit-constructor): or a function returns either

  /// The value. Undefined if there is none.
  [[nodiscard]] T& operator*() & noexcept { return this->held(); }
  [[nodiscard]] const T& operator*() const& noexcept { return this->held(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(this->held()); }
  /// A member of the value. Undefined if there is none.
  [[nodiscard]] T* operator->() noexcept { return std::addressof(this->held()); }
  [[nodiscard]] const T* operator->() const noexcept { return std::addressof(this->held()); }

  /// The value. Throws task_failed if there is none.
  [[nodiscard]] T& value() & {
    this->require_value();
    return **this;
  }
  [[nodiscard]] const T& value() const& {
    this->require_value();
    return **this;
  }
  [[nodiscard]] T&& value() && {
    this->require_value();
    return std::move(**this);
  }
  /// The value, or `instead` if there is none.
  template <class U>
  [[nodiscard]] T value_or(U&& instead) const& {
    return *this ? **this : static_cast<T>(std::forward<U>(instead));
  }
  template <class U>
  [[nodiscard]] T value_or(U&& instead) && {
    return *this ? std::move(**this) : static_cast<T>(std::forward<U>(instead));
  }

  /// f(value), which is an outcome; the same failure if there is no value.
  template <class F>
  auto and_then(F&& f) const& -> std::remove_cvref_t<std::invoke_result_t<F, const T&>> {
    if (*this) return std::invoke(std::forward<F>(f), **this);
    return this->error();
  }
  template <class F>
  auto and_then(F&& f) && -> std::remove_cvref_t<std::invoke_result_t<F, T&&>> {
    if (*this) return std::invoke(std::forward<F>(f), std::move(**this));
    return std::move(*this).error();
  }
  /// An outcome with f(value); the same failure if there is no value.
  template <class F>
  auto transform(F&& f) const& -> outcome<std::remove_cv_t<std::invoke_result_t<F, const T&>>> {
    if (*this) return std::invoke(std::forward<F>(f), **this);
    return this->error();
  }
  template <class F>
  auto transform(F&& f) && -> outcome<std::remove_cv_t<std::invoke_result_t<F, T&&>>> {
    if (*this) return std::invoke(std::forward<F>(f), std::move(**this));
    return std::move(*this).error();
  }
  /// This outcome if it has a value; else f(failure), which is an outcome of the same type.
  template <class F>
  outcome or_else(F&& f) const& {
    if (*this) return *this;
    return std::invoke(std::forward<F>(f), this->error());
  }
  template <class F>
  outcome or_else(F&& f) && {
    if (*this) return std::move(*this);
    return std::invoke(std::forward<F>(f), std::move(*this).error());
  }

#ifdef __cpp_lib_expected
  operator std::expected<T, failure>() const& {  // NOLINT(google-explicit-constructor)
    if (*this) return std::expected<T, failure>(**this);
    return std::unexpected(this->error());
  }
  operator std::expected<T, failure>() && {  // NOLINT(google-explicit-constructor)
    if (*this) return std::expected<T, failure>(std::move(**this));
    return std::unexpected(std::move(*this).error());
  }
#endif
};

/// The outcome of a task that returns nothing: whether it has failed, and why.
template <>
class [[nodiscard]] outcome<void> {
 public:
  using value_type = void;
  using error_type = failure;

  /// The outcome of a task that has not failed.
  outcome() = default;
  /// That of one that has.
  outcome(failure why) : why_(std::in_place, std::move(why)) {}  // NOLINT(google-explicit-constructor)

  /// Whether the task has not failed. O(1).
  [[nodiscard]] bool has_value() const noexcept { return !why_; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// Why it has failed. Undefined if it has not.
  [[nodiscard]] const failure& error() const& noexcept { return why_->get(); }
  [[nodiscard]] failure error() && noexcept { return why_->take(); }

  /// Does nothing.
  void operator*() const noexcept {}
  /// Throws task_failed if the task has failed.
  void value() const {
    if (why_) throw task_failed(error());
  }
  /// This outcome if the task has not failed; else f(failure), which is an outcome<void>.
  template <class F>
  outcome or_else(F&& f) const {
    if (*this) return *this;
    return std::invoke(std::forward<F>(f), error());
  }

#ifdef __cpp_lib_expected
  operator std::expected<void, failure>() const {  // NOLINT(google-explicit-constructor)
    if (*this) return {};
    return std::unexpected(error());
  }
#endif

 private:
  std::optional<detail::boxed_failure> why_{};
};

/// An outcome, and the index of its task in input order. `auto&& [index, outcome]` takes these two.
template <class T>
struct indexed_outcome {
  std::uint64_t index{};       ///< the task's index in input order
  parmap::outcome<T> outcome;  ///< its value or its failure
  bool stored{};               ///< whether it was in the store already: see options::store

  /// `what`: a value or a failure, or an outcome. (A constructor, as g++ clears all bytes of an aggregate first.)
  template <class What>
    requires std::constructible_from<parmap::outcome<T>, What>
  indexed_outcome(std::uint64_t i, What&& what, bool was_stored = false)
      : index(i),
        outcome(std::forward<What>(what)),
        stored(was_stored) {}

  /// For structured bindings.
  template <std::size_t I, class Self>
    requires(I < 2 && std::same_as<std::remove_cvref_t<Self>, indexed_outcome>)
  [[nodiscard]] friend constexpr auto&& get(Self&& it) noexcept {
    if constexpr (I == 0) return std::forward<Self>(it).index;
    else return std::forward<Self>(it).outcome;
  }
};

}  // namespace parmap::inline PARMAP_ABI

/// @cond doxygen does not find what is specialised here
template <class T>
struct std::tuple_size<parmap::indexed_outcome<T>> : std::integral_constant<std::size_t, 2> {};
template <class T>
struct std::tuple_element<0, parmap::indexed_outcome<T>> {
  using type = std::uint64_t;
};
template <class T>
struct std::tuple_element<1, parmap::indexed_outcome<T>> {
  using type = parmap::outcome<T>;
};
/// @endcond
