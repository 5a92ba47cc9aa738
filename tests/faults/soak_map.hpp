// SPDX-License-Identifier: MIT
// Runs one planned map of the soak test and checks everything that it returns.
#pragma once

#include "resource_count.hpp"
#include "soak_plan.hpp"

#include <parmap/detail/results/exception_message.hpp>
#include <parmap/parmap.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace soak {

// Records the attempts begun, in memory that all workers share.
class tally {
 public:
  explicit tally(std::uint64_t n) : bytes_((n + 2) * sizeof(word)) {
    void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    words_ = static_cast<word*>(at);
  }
  tally(const tally&) = delete;
  tally& operator=(const tally&) = delete;
  ~tally() { ::munmap(words_, bytes_); }

  void begin(std::uint64_t i, unsigned attempt) const {
    const std::uint32_t bit = 1U << (attempt - 1);
    if ((words_[i + 2].fetch_or(bit) & bit) != 0) ++words_[0];
  }
  void nested_is_wrong() const { ++words_[1]; }
  // Bit a - 1: attempt a was begun.
  [[nodiscard]] std::uint32_t begun(std::uint64_t i) const { return words_[i + 2]; }
  [[nodiscard]] std::uint32_t begun_twice() const { return words_[0]; }
  [[nodiscard]] std::uint32_t wrong_nested() const { return words_[1]; }

 private:
  using word = std::atomic<std::uint32_t>;
  std::size_t bytes_;
  word* words_;
};

// At random, kills a worker of the thread that constructs this. `grand`: workers are children of its children.
class killer {
 public:
  killer(std::chrono::microseconds pause, std::uint64_t seed, std::span<const pid_t> spared, bool grand) {
    if (pause.count() == 0) return;
    const auto thread = std::filesystem::path("/proc/self/task") / std::to_string(::syscall(SYS_gettid));
    thread_ = std::jthread([this, pause, seed, spared, thread, grand](const std::stop_token& ended) {
      random draw(seed);
      while (!ended.stop_requested()) {
        // The pace of the kills, not a wait for an event. Now and then the pause is long enough for a worker to start
        // and begin a task even on a busy machine: if all workers die before that, the map gives up, as documented.
        std::this_thread::sleep_for(pause * (draw() % 16 == 0 ? 30 : 1));
        auto all = resources::children_of_thread(thread);
        std::erase_if(all, [&](pid_t each) { return std::ranges::find(spared, each) != spared.end(); });
        if (grand) all = children_of(all);
        if (!all.empty() && ::kill(all[draw() % all.size()], SIGKILL) == 0) ++kills_;
      }
    });
  }
  int stop() {
    thread_ = {};
    return kills_;
  }

 private:
  static std::vector<pid_t> children_of(const std::vector<pid_t>& all) {
    std::vector<pid_t> found;
    for (const pid_t each : all) {
      const std::string pid = std::to_string(each);
      std::ranges::copy(resources::children_of_thread(std::filesystem::path("/proc") / pid / "task" / pid),
                        std::back_inserter(found));
    }
    return found;
  }

  std::atomic<int> kills_{0};
  std::jthread thread_;
};

// What a stream has given, as a map returns it.
template <class T>
class collected {
 public:
  explicit collected(std::uint64_t n) : came_(n), values_(n) {}

  // False if that task does not exist, or has come before, or if it is not its turn.
  bool add(std::uint64_t index, parmap::outcome<T>& one, bool in_order) {
    if (index >= came_.size() || came_[index] || (in_order && index != count_)) return false;
    came_[index] = true;
    ++count_;
    if (!one) failures_.push_back(one.error());
    else if constexpr (!std::is_void_v<T>) values_[index] = std::move(*one);
    return true;
  }
  void sort() { std::ranges::sort(failures_, {}, &parmap::failure::index); }
  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] const std::vector<parmap::failure>& failures() const { return failures_; }
  const auto& operator[](std::uint64_t i) const { return values_[i]; }

 private:
  using value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  std::vector<bool> came_;
  std::vector<value> values_;
  std::vector<parmap::failure> failures_;
  std::uint64_t count_{};
};

struct gave_up {};  // what a reporter throws

struct outcome {
  std::string wrong;  // empty: all is right
  std::uint64_t tasks{};
  std::uint64_t failures{};
  std::uint64_t kills{};

  outcome& operator+=(const outcome& more) {
    if (wrong.empty()) wrong = more.wrong;
    tasks += more.tasks;
    failures += more.failures;
    kills += more.kills;
    return *this;
  }
};

using big_array = std::array<std::uint64_t, 4096>;

template <class T>
T value_of(std::uint64_t seed, std::uint64_t i) {
  const std::uint64_t x = mix(seed + i);
  if constexpr (std::is_same_v<T, std::uint64_t>) return x;
  else if constexpr (std::is_same_v<T, std::string>) return std::string(x % 60, static_cast<char>('a' + x % 26));
  else if constexpr (std::is_same_v<T, big_array>) {
    big_array all;
    all.fill(x);
    return all;
  } else if constexpr (!std::is_void_v<T>) return T(1000 + x % 20'000, x);
}

// Runs a map inside a task, on an engine that i selects.
inline bool nested_is_right(std::uint64_t i) {
  const auto input = std::views::iota(i, i + 16);
  const auto twice = [](std::uint64_t k) { return 2 * k; };
  const auto right = [i](const auto& all) { return all.ok() && all[0] == 2 * i && all[15] == 2 * (i + 15); };
  if (i % 3 == 0) return right(parmap::map(parmap::serial, twice, input));
  if (i % 3 == 1) return right(parmap::map(parmap::threads, twice, input));
  return right(parmap::map(parmap::multi, twice, input));
}

template <class T>
T run_task(const plan& p, const tally& seen, unsigned attempt, std::uint64_t i) {
  seen.begin(i, attempt);
  const volatile bool busy = true;
  for (std::uint64_t turns = mix(i) % p.most_work; turns > 0 && busy; --turns) {
  }
  if (p.nested && !nested_is_right(i)) seen.nested_is_wrong();
  if (const fault* bad = p.fault_of(i, attempt)) bad->act();
  return value_of<T>(p.seed, i);
}

// Returns what is wrong with the results and with which task, or an empty string.
template <class T, class All>
std::string check(const plan& p, const tally& seen, const All& all, int kills) {
  if (all.size() != p.n) return "the size is " + std::to_string(all.size());
  const auto& failures = all.failures();
  std::uint64_t failed = 0;
  std::uint64_t stopped = 0;
  int by_kill = 0;
  std::size_t next = 0;
  for (std::uint64_t i = 0; i < p.n; ++i) {
    std::optional<parmap::failure> why;
    if (next < failures.size() && failures[next].index == i) why = failures[next++];
    const std::uint32_t begun = seen.begun(i);
    const auto attempts = static_cast<unsigned>(std::bit_width(begun));  // the number of the last attempt begun
    const auto wrong = [&](const std::string& what) {
      return "task " + std::to_string(i) + " (attempts begun: bits " + std::to_string(begun) + "): " + what +
             (why ? ": " + to_string(*why) : "");
    };
    if (!why) {
      if (attempts == 0) return wrong("it has a value but was not begun");
      if (p.fault_of(i, attempts) != nullptr) return wrong("it has a value but should have failed");
      if (kills == 0 && attempts != p.last_attempt(i)) return wrong("the number of attempts");
      if constexpr (std::is_void_v<T>) all[i];
      else if (all[i] != value_of<T>(p.seed, i)) return wrong("the value");
    } else if (why->kind == parmap::failure::stopped) {
      ++stopped;
      if (!p.may_stop()) return wrong("nobody asked for a stop");
      if (kills == 0 && why->attempts != attempts) return wrong("the number of attempts");
      if (why->attempts < attempts || why->attempts > p.retries) return wrong("the number of attempts");
    } else {
      ++failed;
      if (why->attempts != p.retries + 1 || attempts > why->attempts) return wrong("the number of attempts");
      const fault* expected = p.fault_of(i, why->attempts);
      const bool as_planned = attempts == why->attempts && expected != nullptr && why->kind == expected->kind &&
                              why->message.find(expected->message) != std::string::npos;
      const bool killed = why->kind == parmap::failure::crashed && why->message.find("SIGKILL") != std::string::npos;
      if (!as_planned && killed && kills > 0) ++by_kill;
      else if (!as_planned) return wrong("the blame");
    }
  }
  if (next != failures.size()) return "failures out of order";
  if (by_kill > kills) return std::to_string(by_kill) + " tasks died of " + std::to_string(kills) + " kills";
  if (p.max_failures > 0) {
    // Each worker may be in a task when the last failure is counted, and its death may not be counted yet.
    const std::uint64_t most = p.max_failures + 2 * std::max(p.workers, 2U) + static_cast<std::uint64_t>(kills);
    if (failed > most) return std::to_string(failed) + " failures in spite of max_failures";
    const bool told_to_stop = p.stopped_before || p.stop_after.count() > 0;
    if (stopped > 0 && !told_to_stop && failed < p.max_failures)
      return "stopped after only " + std::to_string(failed) + " failures";
  }
  return {};
}

// Takes all outcomes of a stream, or as many as are wanted; false if it was left. Says in `wrong` what is.
template <class T, class Stream>
bool take(const plan& p, Stream stream, collected<T>& all, std::string& wrong) {
  for (auto&& [index, one] : stream) {
    if (!all.add(index, one, p.ordered)) wrong = "task " + std::to_string(index) + " has come twice, or out of order";
    if (!wrong.empty() || all.size() == p.left_after) return false;
  }
  all.sort();
  return true;
}

// The axis of a stream: tasks 0 to n - 1, readable once only if the plan says so.
template <class T, class Engine, class F>
bool run_stream(const plan& p, const Engine& engine, const F& f, parmap::options chosen, collected<T>& all,
                std::string& wrong) {
  chosen.ordered = p.ordered;
  chosen.window = p.window;
  if (!p.lazy) return take(p, parmap::stream(engine, f, std::views::iota(std::uint64_t{0}, p.n), chosen), all, wrong);
  std::stringstream numbers;
  for (std::uint64_t i = 0; i < p.n; ++i) numbers << i << ' ';
  return take(p, parmap::stream(engine, f, std::views::istream<std::uint64_t>(numbers), chosen), all, wrong);
}

template <class T, class Engine>
outcome run(const plan& p, const Engine& engine, std::span<const pid_t> spared) {
  outcome made;
  made.tasks = p.n;
  const tally seen(p.n);
  std::stop_source stop;
  unsigned calls = 0;
  parmap::options chosen{.reporter = parmap::report::silent, .retries = p.retries, .workers = p.workers};
  if (p.timed) chosen.timeout = plan::limit;
  if (p.max_failures > 0) chosen.max_failures = p.max_failures;
  if (p.stopped_before) stop.request_stop();
  if (p.may_stop()) chosen.stop = stop.get_token();
  if (p.reporter_calls > 0 || p.reporter_throws_at > 0)
    chosen.reporter = [&calls, at = p.reporter_throws_at](const parmap::progress&) {
      if (++calls == at) throw gave_up();
    };

  killer fire(p.kill_pause, p.seed, spared, p.streamed);
  std::jthread stopper;
  if (p.stop_after.count() > 0)
    stopper = std::jthread([&stop, after = p.stop_after] {
      std::this_thread::sleep_for(after);
      stop.request_stop();
    });
  const auto f = [&](parmap::context& self, std::uint64_t i) { return run_task<T>(p, seen, self.attempt(), i); };
  const auto input = std::views::iota(std::uint64_t{0}, p.n);
  try {
    const auto judge = [&](const auto& all) {
      const int kills = fire.stop();
      made.kills = static_cast<std::uint64_t>(kills);
      made.failures = all.failures().size();
      if (p.reporter_throws_at > 0 && calls >= p.reporter_throws_at) made.wrong = "what the reporter threw is lost";
      else made.wrong = check<T>(p, seen, all, kills);
    };
    if (!p.streamed) {
      judge(parmap::map(engine, f, input, chosen));
    } else if (collected<T> all(p.n); run_stream<T>(p, engine, f, chosen, all, made.wrong)) {
      judge(all);
    }
  } catch (const gave_up&) {
    if (calls != p.reporter_throws_at) made.wrong = "the reporter was called again after it threw";
  } catch (...) {
    // Only serial lets a task's exception through: that of the first task that fails, and no later task is begun.
    std::uint64_t i = 0;
    while (i < p.n && p.fault_of(i, p.last_attempt(i)) == nullptr) ++i;
    if (p.runs != engine::serial) made.wrong = "map threw: " + parmap::detail::describe_current_exception().message;
    else if (i == p.n) made.wrong = "no task should have thrown";
    else if (static_cast<unsigned>(std::bit_width(seen.begun(i))) != p.retries + 1) made.wrong = "not the first";
    while (++i < p.n)
      if (p.runs == engine::serial && seen.begun(i) != 0) made.wrong = "a task behind it was begun";
  }
  made.kills = static_cast<std::uint64_t>(fire.stop());
  if (made.wrong.empty() && seen.begun_twice() > 0) made.wrong = "an attempt was begun twice";
  if (made.wrong.empty() && seen.wrong_nested() > 0) made.wrong = "a nested map was wrong";
  return made;
}

template <class Engine>
outcome run_on(const plan& p, const Engine& engine, std::span<const pid_t> spared) {
  switch (p.makes) {
    case result::plain: return run<std::uint64_t>(p, engine, spared);
    case result::encoded: return run<std::string>(p, engine, spared);
    case result::nothing: return run<void>(p, engine, spared);
    case result::big_plain: return run<big_array>(p, engine, spared);
    case result::big_encoded: return run<std::vector<std::uint64_t>>(p, engine, spared);
  }
  return {};
}

// Runs the plan on its engine. The killer never kills the `spared` children.
inline outcome run(const plan& p, std::span<const pid_t> spared) {
  switch (p.runs) {
    case engine::serial: return run_on(p, parmap::serial, spared);
    case engine::threads: return run_on(p, parmap::threads, spared);
    case engine::multi: return run_on(p, parmap::multi, spared);
  }
  return {};
}

}  // namespace soak
