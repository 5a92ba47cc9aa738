// SPDX-License-Identifier: MIT
// value_places: where the values of a map go: memory that its results own, or a range of the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The operations on values that do not depend on their type.
class value_places {
 public:
  value_places(const value_places&) = delete;
  value_places& operator=(const value_places&) = delete;

  // Destroys the value of task i, which must exist.
  virtual void discard(std::uint64_t i) noexcept = 0;
  // Where it is, an object of the result type; null if there is none.
  [[nodiscard]] virtual const void* address(std::uint64_t i) const noexcept = 0;
  // For a map that returns no results: destroys the values of tasks [0, ended), except those of `failures`. Allocates
  // nothing.
  void discard_all_but(failure_runs& failures, std::uint64_t ended) noexcept;

  // The wall time of the map; 0: not measured.
  void note_elapsed(ticks elapsed) noexcept { elapsed_ = elapsed; }
  [[nodiscard]] ticks elapsed() const noexcept { return elapsed_; }

 protected:
  explicit value_places(bool trivial) noexcept : trivial_(trivial) {}
  ~value_places() = default;

 private:
  bool trivial_;  // there is nothing to destroy
  ticks elapsed_{};
};

// Every class of places has put(i, call), which constructs the value of task i from call(); several threads may put
// values of different tasks at once. finish(failures, seed) returns the results, which own the values from then on.

template <class T>
class own_places final : public value_places {
 public:
  explicit own_places(std::uint64_t n) : value_places(std::is_trivially_destructible_v<T>), values_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) const {
    ::new (static_cast<void*>(values_.data() + i)) T(call());
  }
  void discard(std::uint64_t i) noexcept override { std::destroy_at(values_.data() + i); }
  [[nodiscard]] const void* address(std::uint64_t i) const noexcept override { return values_.data() + i; }
  results<T> finish(failure_list failures, std::uint64_t seed) noexcept {
    return {std::move(values_), std::move(failures), seed};
  }

 private:
  result_memory<T> values_;
};

template <>
class own_places<void> final : public value_places {
 public:
  explicit own_places(std::uint64_t n) : value_places(true), size_(n) {}

  template <class Call>
  void put(std::uint64_t, const Call& call) const {
    call();
  }
  void discard(std::uint64_t) noexcept override {}
  [[nodiscard]] const void* address(std::uint64_t) const noexcept override { return nullptr; }
  results<void> finish(failure_list failures, std::uint64_t seed) const noexcept {
    return {size_, std::move(failures), seed};
  }

 private:
  std::uint64_t size_;
};

// A range of the caller, which has an element for each task. The element of a failed task has an unspecified value.
template <class First>
class range_places final : public value_places {
 public:
  range_places(First first, std::uint64_t n) : value_places(true), first_(std::move(first)), size_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) {
    first_[static_cast<std::iter_difference_t<First>>(i)] = call();
  }
  void discard(std::uint64_t) noexcept override {}
  [[nodiscard]] const void* address(std::uint64_t) const noexcept override { return nullptr; }  // of any type
  results<void> finish(failure_list failures, std::uint64_t seed) const noexcept {
    return {size_, std::move(failures), seed};
  }

 private:
  First first_;
  std::uint64_t size_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/value_places.inl.hpp>
#endif
