// SPDX-License-Identifier: MIT
// map_account: how many tasks have ended and how, why they failed, and how long they took. Its size is bounded.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/failure.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class map_account {
 public:
  static constexpr std::size_t most_causes = 256;
  static constexpr std::size_t most_slowest = 20;
  static constexpr std::size_t parts = 10;  // the bins of a factor of ten
  static constexpr std::size_t bins = 14 * parts;

  struct cause {
    failure first;  // the first that came
    std::uint64_t count;
    bool differs;     // the messages differ in numbers
    bool has_inputs;  // first.inputs has been looked for
  };
  struct slow_task {
    std::uint64_t task;
    unsigned attempt;
    std::chrono::nanoseconds took;
    bool failed;
    std::string inputs;  // the caller sets them
    bool has_inputs;
  };

  map_account();

  // `why`: null if it has a value. `index`: of the task, among all.
  void ended(const attempt& it, std::uint64_t index, const failure* why) {
    if (why == nullptr) ++completed_;
    else add_failure(*why, index);
    add_time(it, index, why != nullptr);
  }
  // An attempt that will be repeated.
  void retried(const attempt& it, std::uint64_t index) {
    ++retried_;
    add_time(it, index, true);
  }

  [[nodiscard]] std::uint64_t completed() const noexcept { return completed_; }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t retried() const noexcept { return retried_; }
  [[nodiscard]] std::chrono::nanoseconds busy() const noexcept { return busy_; }
  // Attempts by their time: bin k begins at 1 ns times 10^(k / parts).
  [[nodiscard]] const std::array<std::uint64_t, bins>& histogram() const noexcept { return histogram_; }
  // The slowest first; each attempt counts.
  [[nodiscard]] const std::vector<slow_task>& slowest() const noexcept { return slowest_; }
  [[nodiscard]] std::vector<slow_task>& slowest() noexcept { return slowest_; }
  // Whether the attempt that was added last is one of them.
  [[nodiscard]] bool last_is_slow() const noexcept { return last_is_slow_; }
  // The cause of most failures first.
  [[nodiscard]] std::vector<const cause*> causes() const;
  // Failures of other causes than those.
  [[nodiscard]] std::uint64_t of_other_causes() const noexcept { return of_other_causes_; }
  // Those whose first failure has no inputs yet.
  [[nodiscard]] bool has_without_inputs() const noexcept { return without_inputs_ > 0; }
  [[nodiscard]] std::vector<cause*> without_inputs();
  // Of one of them.
  void set_inputs(cause& of, std::string&& inputs) noexcept {
    of.first.inputs = std::move(inputs);
    of.has_inputs = true;
    --without_inputs_;
  }

 private:
  void add_failure(const failure& why, std::uint64_t index);
  void add_time(const attempt& it, std::uint64_t index, bool failed) {
    busy_ += it.took;
    ++histogram_[bin_of(it.took)];
    last_is_slow_ = it.took > least_slow_;
    if (last_is_slow_) add_slow(it, index, failed);
  }
  void add_slow(const attempt& it, std::uint64_t index, bool failed);
  static std::size_t bin_of(std::chrono::nanoseconds took) noexcept;

  std::uint64_t completed_{};
  std::uint64_t failed_{};
  std::uint64_t retried_{};
  std::chrono::nanoseconds busy_{};
  std::chrono::nanoseconds least_slow_{-1};
  bool last_is_slow_{};
  std::array<std::uint64_t, bins> histogram_{};
  std::vector<slow_task> slowest_;
  std::unordered_map<std::string, cause> causes_;
  std::size_t without_inputs_{};
  std::uint64_t of_other_causes_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/map_account.inl.hpp>
#endif
