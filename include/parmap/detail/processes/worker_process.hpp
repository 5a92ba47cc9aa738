// SPDX-License-Identifier: MIT
// What a worker process does from its fork to its end.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/memory_limit.hpp>
#include <parmap/detail/system/number_text.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <new>
#include <optional>

namespace parmap::detail {

// glibc's, which at_quick_exit calls; the name is its own.
// NOLINTNEXTLINE(bugprone-reserved-identifier, readability-identifier-naming)
extern "C" int __cxa_at_quick_exit(void (*)(void*), void*) noexcept;

// What a worker calls once, bound when the program is loaded. Bound at their first call, as is usual, they would be
// looked up anew in every worker, at some 20 page faults.
struct bound_early {
  static inline int (*volatile prctl)(int, ...) = &::prctl;
  static inline pid_t (*volatile getppid)() = &::getppid;
  static inline int (*volatile on_exit)(void (*)(int, void*), void*) = &::on_exit;
  static inline int (*volatile at_quick_exit)(void (*)(void*), void*) = &__cxa_at_quick_exit;
  static inline void (*volatile exit)(int) = &::_exit;
};

// This process as a worker; there is one at most, as it never returns to be another.
struct worker_identity {
  static inline pid_t pid{-1};
  static inline worker_words* words{nullptr};
  static inline bool memory_limited{false};

  // Not in a task's own child, which does not have the ledger.
  static void say(farewell how, int status) noexcept {
    if (::getpid() == pid) words->farewell_word.set(pack_farewell(how, status));
  }
};

// The end of a worker, and of whatever a task forks and lets run on: what the caller registered with atexit is not ours
// to run.
[[noreturn]] inline void leave_process(farewell how, int status) noexcept {
  worker_identity::say(how, status);
  language_runtime::current().end_worker();
  flush_standard_streams();
  step("end", moment::before);
  bound_early::exit(status);
  std::abort();  // not reached
}

// What is asked of a worker besides its tasks.
struct worker_duties {
  bool timed{};
  std::optional<std::uint64_t> memory_limit{};
};

// Right after the fork, before any task. The memory shared with the supervisor is not for the children of tasks.
inline void become_worker(pid_t parent, worker_words& words, const worker_duties& duties,
                          std::initializer_list<const shared_memory*> ours) noexcept {
  worker_identity::pid = ::getpid();
  worker_identity::words = &words;
  worker_identity::memory_limited = duties.memory_limit.has_value();
  inside_worker().store(true, std::memory_order_relaxed);
  const auto require = [](bool done) {
    if (!done) leave_process(farewell::unfit, errno);
  };
  require(bound_early::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  step("pdeathsig", moment::after);
  if (bound_early::getppid() != parent) ::_exit(EXIT_FAILURE);  // it died before that
  // A timeout kills the whole tree; without one nobody needs to gather orphans here.
  if (duties.timed) static_cast<void>(bound_early::prctl(PR_SET_CHILD_SUBREAPER, 1UL));  // since Linux 3.4
  for (const shared_memory* each : ours) require(each == nullptr || each->keep_from_children());
  require(bound_early::on_exit([](int status, void*) { leave_process(farewell::exit, status); }, nullptr) == 0);
  require(bound_early::at_quick_exit([](void*) { leave_process(farewell::quick_exit, EXIT_FAILURE); }, nullptr) == 0);
  if (duties.memory_limit) {
    require(limit_private_memory(*duties.memory_limit));
    refused_memory::tell([] {
      if (worker_identity::memory_limited) worker_identity::say(farewell::starved, 0);
    });
  }
  step("prepared", moment::after);
}

// Until the supervisor holds our pidfd.
inline void await_go(futex_word& go) noexcept {
  const ticks until = now_ticks() + to_ticks(std::chrono::microseconds(20));
  while (go.load(std::memory_order_acquire) == 0 && now_ticks() < until) spin_pause();
  std::uint32_t expected = 0;
  step("go", moment::before);
  go.compare_exchange_strong(expected, 2, std::memory_order_acq_rel);
  step("go", moment::after);
  for (auto seen = go.load(std::memory_order_acquire); seen == 0 || seen == 2;
       seen = go.load(std::memory_order_acquire))
    futex_wait(go, 2, no_limit, futex_scope::shared);
  step("begin", moment::before);
  expected = 1;
  if (!go.compare_exchange_strong(expected, has_begun, std::memory_order_acq_rel))
    leave_process(expected == is_dismissed ? farewell::done : farewell::damaged, EXIT_SUCCESS);
  step("begin", moment::after);
}

// Ends the worker where the forced unwinding of pthread_exit passes: it must not get into the caller's frames, and a
// catch (...) would call std::terminate where the caller was handling an exception at the fork.
class unwinding_watch {
 public:
  unwinding_watch() = default;
  unwinding_watch(const unwinding_watch&) = delete;
  unwinding_watch& operator=(const unwinding_watch&) = delete;
  ~unwinding_watch() {
    if (!over_ && std::uncaught_exceptions() == before_) leave_process(farewell::pthread_exit, EXIT_FAILURE);
  }

  void end() noexcept { over_ = true; }

 private:
  int before_{std::uncaught_exceptions()};
  bool over_{};
};

// One worker of a map: claims and runs tasks until none is left.
template <class Work, class Store>
class worker {
 public:
  worker(const Work& work, Store& store, const claim_ledger& book, worker_arenas& records, unsigned number,
         std::uint64_t from, std::uint64_t seed, unsigned retries, std::optional<std::uint64_t> memory_limit)
      : work_(work),
        store_(store),
        book_(book),
        records_(records),
        number_(number),
        from_(from),
        retries_(retries),
        memory_limit_(memory_limit),
        self_(seed, number),
        pace_(book.workers()) {}

  [[noreturn]] void run() {
    const task_scope inside;
    for (ticks then = now_ticks();;) {
      const interval mine = claim();
      if (mine.empty()) leave(farewell::done);
      // A task that writes over the range could give itself work without end.
      claimed_ += mine.size();
      if (claimed_ > book_.round()) leave(farewell::damaged);
      run_chunk(mine);
      book_.close_claim(number_);
      const ticks now = now_ticks();
      pace_.ran(mine.size(), now - then);
      then = now;
    }
  }

 private:
  // An open claim tells the supervisor what is left of it.
  [[noreturn]] static void leave(farewell how) { leave_process(how, EXIT_SUCCESS); }

  interval claim() {
    try {
      return book_.claim(number_, [this](round_index left) { return pace_.chunk(left); });
    } catch (const std::exception&) {
      leave(farewell::damaged);
    }
  }

  void run_chunk(const interval mine) {
    store_.prepare(number_, from_ + mine.b, from_ + mine.e);
    worker_words& words = book_.of(number_);
    round_index at = mine.b;  // the first task that is not finished
    unsigned attempt = unpack_position(words.cur.get()).attempts + 1;
    while (at < mine.e) {
      try {
        unwinding_watch watch;
        work_.for_each(from_ + at, from_ + mine.e, self_, [&](std::uint64_t i, const auto& call) {
          if (book_.halted()) leave(farewell::done);
          if constexpr (Work::takes_context) self_.begin(i, attempt);
          forget_refused_memory(words);
          book_.begin(words, at, attempt);
          store_.put(number_, i, call);
          step("slot", moment::after);
          book_.end(words, at++);
          attempt = 1;
          return true;
        });
        watch.end();
      } catch (...) {
        const thrown what = describe();
        const bool worn = memory_limit_ && what.kind == failure_kind::out_of_memory;
        if (attempt > retries_) {
          publish(at, attempt, what);
          book_.end(words, at++);
          attempt = 1;
        } else {
          if (worn) book_.give_back(words, at, attempt);
          ++attempt;
        }
        // What has used up the memory may be here still, and the next task is not to suffer for it.
        if (worn) leave(farewell::worn);
      }
    }
  }

  // A refusal that an earlier attempt got over is forgotten.
  void forget_refused_memory(worker_words& words) const noexcept {
    if (memory_limit_ && words.farewell_word.get() != 0) words.farewell_word.set(0);
  }

  // Inside a catch block.
  [[nodiscard]] thrown describe() const noexcept {
    thrown what{failure_kind::out_of_memory, {}};  // if not even its message can be made
    try {
      what = store_.describe();
      if (memory_limit_ && what.kind == failure_kind::out_of_memory &&
          book_.of(number_).farewell_word.get() == pack_farewell(farewell::starved, 0))
        what.message = "options.memory_limit of " + bytes_to_text(*memory_limit_) +
                       " was reached; raise it, or see what takes so much in this task or those before it";
    } catch (...) {  // NOLINT(bugprone-empty-catch): so there is none
    }
    return what;
  }

  void publish(round_index task, unsigned attempts, const thrown& what) const {
    if (!records_.publish(number_, from_ + task, what.kind, attempts, what.message))
      leave_process(farewell::arena_full, EXIT_FAILURE);
    book_.count_failure();
  }

  const Work& work_;
  Store& store_;
  const claim_ledger& book_;
  worker_arenas& records_;
  unsigned number_;
  std::uint64_t from_;
  unsigned retries_;
  std::optional<std::uint64_t> memory_limit_;
  context self_;
  chunk_pacer pace_;
  std::uint64_t claimed_{};  // by this process, tasks
};

}  // namespace parmap::detail
