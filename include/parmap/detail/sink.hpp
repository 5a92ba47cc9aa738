// SPDX-License-Identifier: MIT
// Where an in-process engine puts values: each constructed in its slot, by the task.
#pragma once

#include <parmap/detail/slots.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace parmap::detail {

// Different slots may be written by different threads at once.
template <class T>
class sink {
 public:
  explicit sink(std::uint64_t n) : values_(n) {}

  template <class Call>
  void put(std::uint64_t i, const Call& call) const {
    ::new (static_cast<void*>(values_.data() + i)) T(call());
  }
  void discard(std::uint64_t i) const noexcept { std::destroy_at(values_.data() + i); }

  // From here on the results own every value but those of `failures`, so call it also before giving up.
  results<T> finish(failure_list failures, std::uint64_t seed) {
    return {std::move(values_), std::move(failures), seed};
  }

 private:
  slots<T> values_;
};

template <>
class sink<void> {
 public:
  explicit sink(std::uint64_t n) : size_(n) {}

  template <class Call>
  void put(std::uint64_t, const Call& call) const {
    call();
  }
  void discard(std::uint64_t) const noexcept {}
  results<void> finish(failure_list failures, std::uint64_t seed) const { return {size_, std::move(failures), seed}; }

 private:
  std::uint64_t size_;
};

// The failures of one map while it runs.
using failure_runs = std::vector<std::pair<failure, std::uint64_t>>;

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
