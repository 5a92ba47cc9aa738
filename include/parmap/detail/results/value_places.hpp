// SPDX-License-Identifier: MIT
// Where the values of a map go: memory that its results own, or a range of the caller's.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// What the core can do with values of whatever type.
class value_places {
 public:
  value_places(const value_places&) = delete;
  value_places& operator=(const value_places&) = delete;

  // Destroys the value of task i, which there is.
  virtual void discard(std::uint64_t i) noexcept = 0;
  // Instead of results: destroys the values of tasks [0, ended), all but those of `failures`. Allocates nothing.
  void discard_all_but(failure_runs& failures, std::uint64_t ended) noexcept;

 protected:
  explicit value_places(bool trivial) noexcept : trivial_(trivial) {}
  ~value_places() = default;

 private:
  bool trivial_;  // there is nothing to destroy
};

// Each place has: put(i, call), which makes the value of task i of what call() returns; different tasks' at once, by
// whatever threads. finish(failures, seed): the results, which own the values from then on.

template <class T>
class own_places final : public value_places {
 public:
  explicit own_places(std::uint64_t n) : value_places(std::is_trivially_destructible_v<T>), values_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) const {
    ::new (static_cast<void*>(values_.data() + i)) T(call());
  }
  void discard(std::uint64_t i) noexcept override { std::destroy_at(values_.data() + i); }
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
  results<void> finish(failure_list failures, std::uint64_t seed) const noexcept {
    return {size_, std::move(failures), seed};
  }

 private:
  std::uint64_t size_;
};

// A range of the caller's, which has an element for each task. What a task that fails leaves in its element means
// nothing.
template <class First>
class range_places final : public value_places {
 public:
  range_places(First first, std::uint64_t n) : value_places(true), first_(std::move(first)), size_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) {
    first_[static_cast<std::iter_difference_t<First>>(i)] = call();
  }
  void discard(std::uint64_t) noexcept override {}
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
