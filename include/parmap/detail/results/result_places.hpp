// SPDX-License-Identifier: MIT
// Where an in-process engine puts values: each constructed in its slot, by the task.
#pragma once

#include <parmap/detail/results/result_memory.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace parmap::detail {

// The failures of one map while it runs.
using failure_runs = std::vector<std::pair<failure, std::uint64_t>>;

// Different slots may be written by different threads at once.
template <class T>
class own_places {
 public:
  explicit own_places(std::uint64_t n) : values_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) const {
    ::new (static_cast<void*>(values_.data() + i)) T(call());
  }
  void discard(std::uint64_t i) const noexcept { std::destroy_at(values_.data() + i); }

  // From here on the results own every value but those of `failures`. If it throws, no value is left.
  results<T> finish(failure_runs failures, std::uint64_t seed) {
    try {
      failure_list all(std::move(failures));
      return {std::move(values_), std::move(all), seed};
    } catch (...) {
      give_up(failures, values_.size());
      throw;
    }
  }
  // Instead of finish: destroys the values of tasks [0, ended), all but those of `failures`. Allocates nothing.
  void give_up(failure_runs& failures, std::uint64_t ended) noexcept {
    sort_runs(failures);
    std::uint64_t b = 0;
    const auto destroy_until = [&](std::uint64_t e) {
      if (b < e) std::destroy(values_.data() + b, values_.data() + e);
    };
    for (const auto& [first, length] : failures) {
      destroy_until(std::min(first.index, ended));
      b = first.index + length;
    }
    destroy_until(ended);
  }

 private:
  result_memory<T> values_;
};

template <>
class own_places<void> {
 public:
  explicit own_places(std::uint64_t n) : size_(n) {}

  template <class Call>
  void put(std::uint64_t, const Call& call) const {
    call();
  }
  void discard(std::uint64_t) const noexcept {}
  results<void> finish(failure_runs failures, std::uint64_t seed) const {
    return {size_, failure_list(std::move(failures)), seed};
  }
  void give_up(failure_runs&, std::uint64_t) const noexcept {}

 private:
  std::uint64_t size_;
};

// A range of the caller's, which has an element for each task. What a task that fails leaves in its element means
// nothing.
template <class First>
class range_places {
 public:
  range_places(First first, std::uint64_t n) : first_(std::move(first)), size_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) {
    first_[static_cast<std::iter_difference_t<First>>(i)] = call();
  }
  void discard(std::uint64_t) const noexcept {}
  results<void> finish(failure_runs failures, std::uint64_t seed) const {
    return {size_, failure_list(std::move(failures)), seed};
  }

 private:
  First first_;
  std::uint64_t size_;
};

// Tasks [b, e) will not be begun any more; the first may have been, in vain.
inline void add_stopped(failure_runs& runs, std::uint64_t b, std::uint64_t e, const std::string& why,
                        unsigned attempts_of_first = 0) {
  if (b < e && attempts_of_first > 0) {
    runs.emplace_back(failure{b, failure_kind::stopped, why, attempts_of_first, nullptr}, 1);
    ++b;
  }
  if (b < e) runs.emplace_back(failure{b, failure_kind::stopped, why, 0, nullptr}, e - b);
}

inline constexpr const char* stop_requested_text = "a stop was requested";
inline constexpr const char* max_failures_text = "options.max_failures was reached; the other failures say why";

}  // namespace parmap::detail
