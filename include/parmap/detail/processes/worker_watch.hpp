// SPDX-License-Identifier: MIT
// worker_watch: what a worker is doing, as its words tell, and how long it may.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/futex.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#if defined(PARMAP_TEST_LIMIT) && defined(PARMAP_COMPILED)
#error "parmap: PARMAP_TEST_LIMIT is for tests of the inline form; libparmap was compiled without it"
#endif

namespace parmap::inline PARMAP_ABI::detail {

enum class activity {
  birth,    // from its fork until it begins: page tables, begin_worker, the start of a program
  task,     // an attempt of a task
  between,  // claims, what stands between two tasks, and writing what they have printed
  waiting,  // for something to claim
  leaving   // the handlers of atexit, the end of what tasks have started, buffers
};

// The limits on each activity; PROTOCOL.md has the table and what no limit covers.
struct activity_limits {
  explicit activity_limits(std::optional<std::chrono::nanoseconds> timeout) noexcept
      : task(timeout.value_or(no_limit)),
        birth(timeout ? std::max<std::chrono::nanoseconds>(shortest_birth, times(*timeout, 10)) : no_limit),
        between(timeout ? std::max<std::chrono::nanoseconds>(shortest_between, *timeout) : no_limit),
        leaving(std::max<std::chrono::nanoseconds>(shortest_leaving, timeout.value_or(std::chrono::nanoseconds(0)))) {}

  [[nodiscard]] std::chrono::nanoseconds of(activity what) const noexcept {
    switch (what) {
      case activity::birth: return birth;
      case activity::task: return task;
      case activity::between: return between;
      case activity::waiting: return no_limit;
      case activity::leaving: break;
    }
    return leaving;
  }
  // A worker that is seen now cannot be past a limit earlier than after this time.
  [[nodiscard]] std::chrono::nanoseconds shortest() const noexcept { return std::min({task, birth, between, leaving}); }

  std::chrono::nanoseconds task;
  std::chrono::nanoseconds birth;
  std::chrono::nanoseconds between;
  std::chrono::nanoseconds leaving;

 private:
#ifdef PARMAP_TEST_LIMIT  // a test sets a shorter one
  static constexpr std::chrono::milliseconds shortest_birth{PARMAP_TEST_LIMIT};
  static constexpr std::chrono::milliseconds shortest_between{PARMAP_TEST_LIMIT};
  static constexpr std::chrono::milliseconds shortest_leaving{PARMAP_TEST_LIMIT};
#else
  static constexpr std::chrono::seconds shortest_birth{60};
  static constexpr std::chrono::seconds shortest_between{5};
  static constexpr std::chrono::seconds shortest_leaving{10};
#endif

  static constexpr std::chrono::nanoseconds times(std::chrono::nanoseconds one, int n) noexcept {
    return one > no_limit / n ? no_limit : one * n;
  }
};

class worker_watch {
 public:
  // Call at each fork.
  void begin(std::uint64_t now) noexcept { *this = worker_watch(now); }
  worker_watch() = default;

  [[nodiscard]] activity last_seen() const noexcept { return seen_.what; }
  // Of the task that it was last seen at: its number in the round, and when it was first seen there.
  [[nodiscard]] round_index task() const noexcept { return unpack_position(seen_.cur).task; }
  [[nodiscard]] std::uint64_t since() const noexcept { return since_; }
  // Whether the worker is still at what it was last seen at.
  [[nodiscard]] bool is_as_seen(const worker_words& words) const noexcept { return look(words) == seen_; }

  // How long the worker may go on with what it does, by monotonic_ns() `now`: zero if it is past its limit.
  // was_continued() tells whether it was stopped and continued since it was last asked: by Ctrl-Z and fg, it then gets
  // its whole limit again, at most 10 times, as some batch systems stop and continue processes all the time.
  template <class WasContinued>
  std::chrono::nanoseconds time_left(const worker_words& words, const activity_limits& limits, std::uint64_t now,
                                     const WasContinued& was_continued) {
    if (const sight seen = look(words); seen != seen_) {
      seen_ = seen;
      since_ = now;
      pardons_ = 0;
    }
    const std::chrono::nanoseconds limit = limits.of(seen_.what);
    if (limit == no_limit) return no_limit;
    const std::uint64_t began = std::max(resumed_, seen_.what == activity::task ? words.started.get() : since_);
    if (began > now && began > monotonic_ns()) throw_overwritten("a task began in the future");
    const std::chrono::nanoseconds spent(now - std::min(now, began));
    if (spent < limit) return limit - spent;
    if (pardons_ == most_pardons || !was_continued()) return std::chrono::nanoseconds(0);
    ++pardons_;
    resumed_ = now;
    return limit;
  }

 private:
  // It changes with every step that a worker makes.
  struct sight {
    activity what{activity::birth};
    std::uint64_t cur{};
    std::uint64_t claim{};
    std::uint64_t finished{};

    friend bool operator==(const sight&, const sight&) = default;
  };

  explicit worker_watch(std::uint64_t now) noexcept : since_(now) {}

  [[nodiscard]] static sight look(const worker_words& words) noexcept {
    const std::uint32_t go = words.go.load(std::memory_order_acquire);
    if (go == is_dismissed) return {.what = activity::leaving};
    if (go != has_begun) return {};
    const auto said = static_cast<farewell>(words.farewell_word.get() >> 32);
    if (said != farewell::none && said != farewell::starved) return {.what = activity::leaving};
    const std::uint64_t cur = words.cur.get();
    if (unpack_position(cur).running) return {.what = activity::task, .cur = cur};
    if (words.waiting.get() != 0) return {.what = activity::waiting};
    return {.what = activity::between, .cur = cur, .claim = words.claim.get(), .finished = words.finished.get()};
  }

  static constexpr unsigned most_pardons = 10;

  sight seen_;
  std::uint64_t since_{};    // when it was first seen
  std::uint64_t resumed_{};  // when the worker was last seen to have been stopped and continued
  unsigned pardons_{};       // since it was first seen
};

}  // namespace parmap::inline PARMAP_ABI::detail
