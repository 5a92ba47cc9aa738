// SPDX-License-Identifier: MIT
// Runs one small map, or stream, whose workers are killed, and checks that its results agree with what really happened.
#pragma once

#include "kill_plan.hpp"

#include <leftovers.hpp>
#include <recorded_attempts.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <ostream>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace killing {

enum class shape { plain, encoded, nothing };

// Describes a map. Sets of tasks are given as bits.
struct plan {
  const char* name{""};
  unsigned tasks{3};
  unsigned workers{1};
  unsigned retries{};
  shape result{shape::plain};
  std::uint64_t throwing{};        // throw at every attempt
  std::uint64_t throwing_once{};   // throw at the first attempt
  std::uint64_t killing_itself{};  // kill their worker at the first attempt
  std::uint64_t without_memory{};  // throw std::bad_alloc at every attempt, under a memory_limit
  std::optional<std::uint64_t> max_failures{};
  bool timed{};
  bool postponed{};  // failed attempts are repeated after a while
  bool observed{};
  bool streamed{};  // by a stream; the next three are for that
  std::uint64_t window{};
  bool ordered{};
  bool lazy{};  // its axis is read as it goes

  friend std::ostream& operator<<(std::ostream& out, const plan& it) {
    return out << it.name << " {tasks " << it.tasks << ", workers " << it.workers << ", retries " << it.retries
               << ", result " << static_cast<int>(it.result) << ", throwing " << it.throwing << ", once "
               << it.throwing_once << ", max_failures " << it.max_failures.value_or(0) << ", postponed " << it.postponed
               << ", observed " << it.observed << ", streamed " << it.streamed << ", window " << it.window
               << ", ordered " << it.ordered << ", lazy " << it.lazy << '}';
  }
};

template <class Result>
Result value_of(unsigned task, unsigned attempt) {
  const std::uint64_t value = task * std::uint64_t{1000} + attempt;
  // An even task's string lies in an arena, an odd task's in its slot.
  if constexpr (std::is_same_v<Result, std::string>)
    return std::string(task % 2 == 0 ? 16 : 0, 'x') + std::to_string(value);
  else return static_cast<Result>(value);
}

template <class Result>
Result run_task(const plan& it, const parmap::context& self, unsigned i) {
  const unsigned attempt = self.attempt();
  const auto in = [i](std::uint64_t set) { return (set >> i & 1) != 0; };
  const bool tells = it.observed && !it.postponed && attempt <= it.retries;
  body_begins(i, attempt);
  if (attempt == 1 && in(it.killing_itself)) die();
  if (in(it.without_memory)) {
    body_throws(true, tells);
    throw std::bad_alloc();
  }
  if (in(it.throwing) || (attempt == 1 && in(it.throwing_once))) {
    body_throws(false, tells);
    throw std::runtime_error("thrown by " + std::to_string(i));
  }
  body_ends();
  return value_of<Result>(i, attempt);
}

// Counts over all maps, for the summary.
struct tally {
  std::uint64_t kills{};
  std::uint64_t crashed{};  // tasks that a kill has cost
  std::uint64_t retried{};  // tasks begun again
};

// Checks all results. Every task either has the right value or is a failure with the right cause. Its body began as
// often as reported, and never more than 1 + retries times. Each death cost at most the one attempt that `cur` named.
template <class Result, class All>
void judge(const plan& it, const All& all, tally& sum) {
  ASSERT_EQ(all.size(), it.tasks);
  const unsigned limit = 1 + it.retries;
  std::uint64_t unseen = 0;
  std::uint64_t stopped = 0;
  auto failure = all.failures().begin();
  for (unsigned i = 0; i < it.tasks; ++i) {
    SCOPED_TRACE("task " + std::to_string(i));
    const notes& its = on->task[i];
    const unsigned begun = its.begun;
    const unsigned lost = its.threw + its.killed;
    unsigned attempts = its.last_attempt;
    if (failure != all.failures().end() && (*failure).index == i) {
      const parmap::failure why = *failure++;
      attempts = why.attempts;
      ASSERT_EQ(begun, lost) << why;
      if (why.kind == parmap::failure::stopped) {
        ++stopped;
        ASSERT_LT(attempts, limit) << why;
      } else {
        ASSERT_EQ(attempts, limit) << why;
        if (its.last_threw && its.last_attempt == attempts) {
          const bool memory = (it.without_memory >> i & 1) != 0;
          ASSERT_EQ(why.kind, memory ? parmap::failure::out_of_memory : parmap::failure::threw) << why;
          ASSERT_NE(why.message.find(memory ? "bad_alloc" : "thrown by " + std::to_string(i)), std::string::npos)
              << why;
        } else {
          ++sum.crashed;
          ASSERT_EQ(why.kind, parmap::failure::crashed) << why;
          ASSERT_NE(why.message.find("SIGKILL"), std::string::npos) << why;
        }
      }
    } else {
      ASSERT_EQ(begun, 1 + lost);
      ASSERT_GE(attempts, begun);
      if constexpr (!std::is_void_v<Result>) {
        ASSERT_EQ(all[i], value_of<Result>(i, attempts));
      }
    }
    ASSERT_LE(attempts, limit);
    ASSERT_GE(attempts, begun);
    unseen += attempts - begun;
    if (attempts > 1) ++sum.retried;
  }
  ASSERT_TRUE(failure == all.failures().end());
  ASSERT_EQ(unseen, on->ghosts);
  const std::uint64_t failed = all.failures().size() - stopped;
  if (it.max_failures) {
    if (stopped > 0) {
      ASSERT_GE(failed, *it.max_failures);
    }
    // Each worker may be in one more task when the last failure is counted.
    ASSERT_LE(failed, *it.max_failures + it.workers - 1 + on->uncounted);
  } else {
    ASSERT_EQ(stopped, 0U);
  }
  sum.kills += on->kills;
}

// What a stream has given, as a map returns it.
template <class Result>
class collected {
 public:
  collected(const plan& it) : ordered_(it.ordered), came_(it.tasks), values_(it.tasks) {}

  void add(std::uint64_t index, parmap::outcome<Result>& one) {
    ASSERT_LT(index, came_.size());
    ASSERT_FALSE(came_[index]) << "task " << index << " came twice";
    if (ordered_) {
      ASSERT_EQ(index, count_);
    }
    came_[index] = true;
    ++count_;
    if (!one) failures_.push_back(one.error());
    else if constexpr (!std::is_void_v<Result>) values_[index] = *one;
  }
  // Once all have come. Of an axis that is read as it goes, a stream that has been halted gives what has been read.
  void sort(bool may_be_short) {
    if (may_be_short) came_.resize(count_);
    ASSERT_EQ(static_cast<std::uint64_t>(std::ranges::count(came_, true)), came_.size());
    ASSERT_EQ(count_, came_.size());
    std::ranges::sort(failures_, {}, &parmap::failure::index);
  }
  [[nodiscard]] std::uint64_t size() const { return came_.size(); }
  [[nodiscard]] const std::vector<parmap::failure>& failures() const { return failures_; }
  [[nodiscard]] const auto& operator[](std::uint64_t i) const { return values_[i]; }

 private:
  using value = std::conditional_t<std::is_void_v<Result>, std::monostate, Result>;

  bool ordered_;
  std::vector<bool> came_;
  std::vector<value> values_;
  std::vector<parmap::failure> failures_;
  std::uint64_t count_{};
};

template <class Result, class F>
void run_stream(const plan& it, const F& f, parmap::options chosen, tally& sum) {
  chosen.ordered = it.ordered;
  chosen.window = it.window;
  collected<Result> all(it);
  here.as = role::caller;
  const auto collect = [&all](auto stream) {
    for (auto&& [index, outcome] : stream) ASSERT_NO_FATAL_FAILURE(all.add(index, outcome));
  };
  if (it.lazy) {
    std::stringstream numbers;
    for (unsigned i = 0; i < it.tasks; ++i) numbers << i << ' ';
    collect(parmap::stream(parmap::multi, f, std::views::istream<unsigned>(numbers), chosen));
  } else {
    collect(parmap::stream(parmap::multi, f, std::views::iota(0U, it.tasks), chosen));
  }
  here.as = role::bystander;
  ASSERT_NO_FATAL_FAILURE(all.sort(it.lazy && it.max_failures));
  plan given = it;
  given.tasks = static_cast<unsigned>(all.size());
  judge<Result>(given, all, sum);
  ASSERT_FALSE(leftovers::has_children());
}

template <class Result>
void run_as(const plan& it, tally& sum) {
  using namespace std::chrono_literals;
  parmap::options chosen{.max_failures = it.max_failures, .retries = it.retries, .seed = 1, .workers = it.workers};
  chosen.reporter = parmap::report::silent;
  if (it.timed) chosen.timeout = 1h;
  if (it.postponed) chosen.retry_delay = 100us;
  if (it.without_memory != 0) chosen.memory_limit = std::uint64_t{1} << 30;
  const auto f = [&it](const parmap::context& self, unsigned i) { return run_task<Result>(it, self, i); };
  here = {};
  if (it.streamed) return run_stream<Result>(it, f, chosen, sum);
  here.as = role::supervisor;
  recorded::attempts heard;
  const auto axis = std::views::iota(0U, it.tasks);
  const auto all =
      it.observed ? recorded::map(heard, parmap::multi, f, axis, chosen) : parmap::map(parmap::multi, f, axis, chosen);
  here.as = role::bystander;
  if (it.observed) heard.expect_as(all);
  judge<Result>(it, all, sum);
  ASSERT_FALSE(leftovers::has_children());
}

// Runs the map with the kills that the test has set.
inline void run(const plan& it, tally& sum) {
  switch (it.result) {
    case shape::plain: return run_as<std::uint64_t>(it, sum);
    case shape::encoded: return run_as<std::string>(it, sum);
    case shape::nothing: return run_as<void>(it, sum);
  }
}

class kill_test : public leftovers::none {
 protected:
  // Constructed before the mappings are counted, destroyed after the last count.
  theatre house_;
};

}  // namespace killing
