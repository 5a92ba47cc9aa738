// SPDX-License-Identifier: MIT
// Memory that all processes of a map under test share: who is to be killed at which step, and what really happened to
// each task. The task's body and the hook at every step record that, independently of the protocol's words.
#pragma once

#define PARMAP_MAX_ROUND 16
#include <parmap/parmap.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>
#include <string>
#include <string_view>

namespace killing {

using parmap::detail::moment;

enum class role { bystander, supervisor, worker, caller };  // caller: of a stream

// All steps, and at which moments they are taken. "task" is the body of a task, which calls arrive() itself.
struct known_step {
  const char* name;
  bool before{true};
  bool after{true};
};
inline constexpr known_step steps[] = {{"lock"},
                                       {"unlock"},
                                       {"halt"},
                                       {"failures"},
                                       {"range"},
                                       {"left_over"},
                                       {"left_attempts"},
                                       {"claim"},
                                       {"cur"},
                                       {"base"},
                                       {"finished"},
                                       {"started"},
                                       {"top"},
                                       {"head"},
                                       {"farewell"},
                                       {"go"},
                                       {"fork"},
                                       {"birth", false},
                                       {"pidfd", false},
                                       {"pdeathsig", false},
                                       {"prepared", false},
                                       {"begin"},
                                       {"record", false},
                                       {"slot"},
                                       {"stop"},
                                       {"resume"},
                                       {"descendants"},
                                       {"kill"},
                                       {"reap"},
                                       {"end", true, false},
                                       {"task"},
                                       {"bell"},
                                       {"wait", true, false},
                                       {"news", true, false},
                                       {"stay"},
                                       {"waiting"},
                                       {"supervise", false},
                                       {"limit"},
                                       {"told"},
                                       {"tail"},
                                       {"taken"},
                                       {"cell"},
                                       {"asleep"},
                                       {"bound"},
                                       {"closing"},
                                       {"allowed"},
                                       {"batch"},
                                       {"shortest"},
                                       {"ends"},
                                       {"holds"},
                                       {"dozing"},
                                       {"state"}};
constexpr std::size_t moments_of(const known_step& one) noexcept {
  return (one.before ? 1U : 0U) + (one.after ? 1U : 0U);
}
inline constexpr std::size_t moments = [] {
  std::size_t all = 0;
  for (const known_step& each : steps) all += moments_of(each);
  return all;
}();

// A set of moments, by their numbers. Several processes may use it at once.
class moment_set {
 public:
  void add(std::size_t number) noexcept { word(number) |= bit(number); }
  // Whether it was there.
  bool remove(std::size_t number) noexcept {
    return has(number) && (word(number).fetch_and(~bit(number)) & bit(number)) != 0;
  }
  [[nodiscard]] bool has(std::size_t number) const noexcept { return (word(number) & bit(number)) != 0; }
  [[nodiscard]] bool empty() const noexcept { return words_[0] == 0 && words_[1] == 0; }

 private:
  static constexpr std::uint64_t bit(std::size_t number) noexcept { return std::uint64_t{1} << number % 64; }
  [[nodiscard]] std::atomic<std::uint64_t>& word(std::size_t number) noexcept { return words_[number / 64]; }
  [[nodiscard]] const std::atomic<std::uint64_t>& word(std::size_t number) const noexcept {
    return words_[number / 64];
  }

  std::array<std::atomic<std::uint64_t>, 2> words_{};
};
static_assert(moments <= 128, "two words of a set");

// Writes a set of moments as text, such as "lock- lock+": - is before the step, + after it.
inline std::string spell(const moment_set& set, std::initializer_list<std::string_view> left_out = {}) {
  std::string text;
  std::size_t number = 0;
  const auto add = [&](const char* name, char sign) {
    if (set.has(number) && std::ranges::find(left_out, name) == left_out.end())
      text += (text.empty() ? "" : " ") + std::string(name) + sign;
    ++number;
  };
  for (const known_step& each : steps) {
    if (each.before) add(each.name, '-');
    if (each.after) add(each.name, '+');
  }
  return text;
}

// Returns the number of a moment, or `moments` if it is unknown.
inline std::size_t number_of(const char* name, moment when) noexcept {
  std::size_t number = 0;
  for (const known_step& each : steps) {
    if (std::strcmp(each.name, name) == 0) {
      if (when == moment::before) return each.before ? number : moments;
      return each.after ? number + (each.before ? 1U : 0U) : moments;
    }
    number += moments_of(each);
  }
  return moments;
}
// Spreads the bits of x (splitmix64).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// What happened to one task.
struct notes {
  std::atomic<unsigned> begun;         // bodies begun
  std::atomic<unsigned> threw;         // attempts whose body threw
  std::atomic<unsigned> killed;        // attempts whose worker was killed after the body had begun
  std::atomic<unsigned> last_attempt;  // of the newest body
  std::atomic<bool> last_threw;
  std::atomic<bool> over;  // cur has advanced past it
};

// Fewer kill points, because sanitizers make forks slow.
#ifdef __SANITIZE_ADDRESS__
inline constexpr unsigned stride = 5;
#else
inline constexpr unsigned stride = 1;
#endif

inline constexpr unsigned most_tasks = 40;

struct stage {
  // Set by the test before a map. Arrivals at steps are counted from 1, over all workers together.
  role victim{role::worker};
  std::array<std::uint64_t, 2> kill_at{};  // kill the victim at these arrivals; 0: none
  std::array<moment_set, 4> kill_in{};     // for each role: kill at the first arrival at these steps
  std::uint64_t chance{};                  // chance, in 1/2^64, to kill the victim at an arrival
  std::uint64_t seed{};                    // with the arrival's number, decides whether `chance` kills
  bool births_wait{};                      // a worker runs none of the library's code until the supervisor is dead
  bool workers_wait{};                     // a worker that dies with the lock first waits until another queues for it
  int dawdler{-1};  // a task that ends after its time limit, just before its worker is stopped; -1: none

  // Recorded while the map runs.
  std::array<notes, most_tasks> task{};
  std::atomic<std::uint64_t> arrivals;
  std::atomic<unsigned> kills;      // by a hook or a body
  std::atomic<unsigned> ghosts;     // deaths after `cur` has announced an attempt whose body has not begun
  std::atomic<unsigned> uncounted;  // deaths that may have kept a published failure from being counted
  std::atomic<int> queueing;        // workers that wait for the lock
  std::atomic<bool> supervisor_dead;
  std::atomic<bool> stopping;
};

// Kept over all maps of a test.
struct records {
  moment_set killed_at;
  std::atomic<bool> unknown_step;
};

inline stage* on{};  // shared memory
inline records* seen{};

// The role and state of this process.
struct part {
  role as{role::bystander};
  bool prepared{};
  bool locked{};
  bool queued{};
  bool closing{};  // it is closing its claim
  // Of the task in `cur`.
  enum class phase { outside, inside, published } phase{};
  int task{-1};  // its body has begun
  bool threw{};
  bool ends{};   // the next store of cur leaves the task although it threw and has a retry left
  bool tells{};  // the failure that it publishes next does not end the task
};
inline part here;

// Waits until the condition holds, 2 ms at most: the waiting process may hold the lock.
template <class Condition>
void wait_a_while(Condition&& fulfilled) noexcept {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  while (!fulfilled() && std::chrono::steady_clock::now() < until) ::sched_yield();
}

[[noreturn]] inline void die() noexcept {
  if (here.as == role::supervisor) on->supervisor_dead = true;
  if (here.as == role::worker) {
    if (here.locked && on->workers_wait) wait_a_while([] { return on->queueing > 0; });
    if (here.queued) --on->queueing;
    if (here.phase == part::phase::published) ++on->uncounted;
    if (here.phase == part::phase::inside && here.task < 0) ++on->ghosts;
    if (here.phase == part::phase::inside && here.task >= 0) {
      notes& its = on->task[static_cast<std::size_t>(here.task)];
      ++its.killed;
      if (here.threw) --its.threw;
      its.last_threw = false;
    }
  }
  ++on->kills;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

// Follows a worker through its tasks, only by the order of its steps.
inline void follow(const char* name, moment when) noexcept {
  const auto is = [&](const char* what, moment then) { return when == then && std::strcmp(name, what) == 0; };
  if (is("lock", moment::before)) {
    here.queued = true;
    ++on->queueing;
  } else if (is("lock", moment::after)) {
    here.queued = false;
    --on->queueing;
    here.locked = true;
  } else if (is("unlock", moment::after)) {
    here.locked = false;
  } else if (is("prepared", moment::after)) {
    here.prepared = true;
  } else if (here.locked) {
    return;
  } else if (is("finished", moment::before)) {
    here.closing = true;
  } else if (is("head", moment::after) || is("tail", moment::after)) {
    if (!here.tells) here.phase = part::phase::published;
  } else if (is("cur", moment::after)) {
    const bool again = here.phase == part::phase::inside && here.threw && !here.ends;
    const bool begins = here.phase == part::phase::outside && !here.closing;
    if (here.task >= 0 && !again) on->task[static_cast<std::size_t>(here.task)].over = true;
    here.phase = begins || again ? part::phase::inside : part::phase::outside;
    here.closing = here.threw = here.ends = here.tells = false;
    here.task = -1;
  }
}

inline void arrive(const char* name, moment when) noexcept {
  const int error = errno;
  // A process that is forked is a worker, unless it says at once that it supervises a stream.
  if (when == moment::after && std::strcmp(name, "birth") == 0) {
    const bool of_caller = here.as == role::caller || here.as == role::bystander;
    here = {};
    here.as = of_caller ? role::bystander : role::worker;
    while (here.as == role::worker && on->births_wait && !on->supervisor_dead) ::sched_yield();
  }
  if (when == moment::after && std::strcmp(name, "supervise") == 0) here.as = role::supervisor;
  if (here.as == role::bystander) return;
  if (here.as == role::worker) follow(name, when);
  // The supervisor is dead, so this worker must now be killed by PR_SET_PDEATHSIG: it waits for that.
  if (here.prepared && on->supervisor_dead)
    for (;;) ::pause();
  const std::size_t number = number_of(name, when);
  if (number >= moments) {
    seen->unknown_step = true;
  } else {
    auto& chosen = on->kill_in[static_cast<std::size_t>(here.as)];
    bool dies = chosen.remove(number);
    if (here.as == on->victim) {
      const std::uint64_t k = ++on->arrivals;
      dies = dies || k == on->kill_at[0] || k == on->kill_at[1] || mix(on->seed + k) < on->chance;
    }
    if (dies) {
      if (here.as == on->victim) seen->killed_at.add(number);
      die();
    }
  }
  if (here.as == role::supervisor && on->dawdler >= 0 && std::strcmp(name, "stop") == 0 && when == moment::before) {
    notes& its = on->task[static_cast<std::size_t>(on->dawdler)];
    on->stopping = true;
    if (its.begun > 0)
      while (!its.over) ::sched_yield();
  }
  errno = error;
}

// ---- Called by the body of a task.

inline void body_begins(std::size_t i, unsigned attempt) noexcept {
  notes& its = on->task[i];
  ++its.begun;
  its.last_attempt = attempt;
  here.task = static_cast<int>(i);
  arrive("task", moment::before);
}
inline void body_ends() noexcept { arrive("task", moment::after); }
// Called right before a throw. `worn`: the worker leaves after this attempt. `tells`: it publishes the failure,
// although it will try the task again.
inline void body_throws(bool worn = false, bool tells = false) noexcept {
  notes& its = on->task[static_cast<std::size_t>(here.task)];
  ++its.threw;
  its.last_threw = true;
  here.threw = true;
  here.ends = worn;
  here.tells = tells;
}

// ---- Called by the test.

// Owns the shared memory and installs the hook for its lifetime.
class theatre {
 public:
  theatre() : at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) std::abort();
    seen = ::new (at_) records{};
    on = ::new (static_cast<void*>(seen + 1)) stage{};
    parmap::detail::step_hook = arrive;
  }
  theatre(const theatre&) = delete;
  theatre& operator=(const theatre&) = delete;
  ~theatre() {
    parmap::detail::step_hook = nullptr;
    ::munmap(at_, bytes);
  }

 private:
  static constexpr std::size_t bytes = sizeof(records) + sizeof(stage);
  void* at_;
};

inline stage& clear_stage() { return *(on = ::new (static_cast<void*>(on)) stage{}); }

}  // namespace killing
