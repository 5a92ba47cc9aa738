// SPDX-License-Identifier: MIT
// The part of docs/failures.md about the exceptions that map itself throws.
#pragma once

#include "failures_page_writer.hpp"

#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/parmap.hpp>

#include <pthread.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace failures_page {

inline int twice(int x) { return 2 * x; }
inline unsigned sum(unsigned a, unsigned b, unsigned c) { return a + b + c; }
inline std::function<int()> later(int x) {
  return [x] { return x; };
}
inline bool positive(int x) { return x > 0; }
inline int picky(int x) { return x == 3 ? throw std::runtime_error("three") : x; }

inline constexpr auto many = std::views::iota(0U, ~0U);
inline constexpr auto endless = std::views::iota(std::int64_t{0}, std::numeric_limits<std::int64_t>::max());

// Runs a map first, so that everything that is loaded lazily is loaded before memory is refused.
inline void refuse_memory() {
  static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
  refuse({SYS_mmap}, ENOMEM);
}

inline std::vector<exhibit> exceptions() {
  using namespace std::chrono_literals;
  using std::invalid_argument;
  static const std::vector<int> x{0, 1, 2, 3, 4};
  static const std::vector<int> y{0, 1, 2};
  return {
      call<parmap::map_failed>(
          "value() of results with failures", CALL(parmap::map(picky, x).value()),
          "`map_failed`: you asked for all values and some tasks have none. `failures()` of the exception has every "
          "failure; what() shows the first five. **Try** `values()`, `value_or(...)` or "
          "`value_or_else(...)`, which do with what there is."),
      call<parmap::task_failed>(
          "A value that is not there", CALL(parmap::map(picky, x)[3]),
          "`task_failed`: this one task has no value; `why()` is its failure. **Try** `get_if(i)`, which gives "
          "null instead."),
      call<std::out_of_range>("An index that is not there", CALL(parmap::map(twice, x)[5]),
                              "There are as many results as tasks, counted from 0."),
      call<std::runtime_error>(
          "The first exception, under serial", CALL(parmap::map(parmap::serial, picky, x).value()),
          "`serial` lets the first exception of a task through untouched, so that a debugger stops where it was "
          "thrown. **Try** another engine to get all the other results."),
      call<std::runtime_error>(
          "A reporter that throws",
          CALL(parmap::map(twice, x, {.reporter = [](const parmap::progress&) { throw std::runtime_error("no"); }})),
          "What `options.reporter` throws passes through map, after its workers have ended."),
      call<std::runtime_error>(
          "An input range that throws",
          CALL(parmap::map(twice, x | std::views::transform(picky) | std::views::filter(positive))),
          "A range without random access is read by the caller, before any task: what reading "
          "it throws passes through "
          "map. (In a range with random access it is the failure of that task.)"),
      call<invalid_argument>("A time limit of nothing", CALL(parmap::map(twice, x, {.timeout = 0s})),
                             "A limit is a time that can pass. Leave it out for none."),
      call<invalid_argument>("A limit of no failure", CALL(parmap::map(twice, x, {.max_failures = 0})),
                             "`max_failures = 1` stops at the first."),
      call<invalid_argument>("A limit of no memory", CALL(parmap::map(twice, x, {.memory_limit = 0})),
                             "Leave it out for none."),
      call<invalid_argument>("threads and memory_limit",
                             CALL(parmap::map(parmap::threads, twice, x, {.memory_limit = 1 << 20})),
                             "No engine but `serial` accepts an option that it does not support."),
      call<invalid_argument>("threads and timeout", CALL(parmap::map(parmap::threads, twice, x, {.timeout = 1s})),
                             "A thread can only be asked to stop, through the context it looks at."),
      call<invalid_argument>("No such engine", CALL(parmap::engine_named("thread")),
                             "The names are written as listed."),
      call<invalid_argument>("A result that cannot leave, under an engine chosen by name",
                             CALL(parmap::map(parmap::engine_named("multi"), later, x)),
                             "With `parmap::multi` written in the program, the same is a compile error."),
      call<invalid_argument>("An empty reporter",
                             CALL(parmap::map(twice, x, {.reporter = std::function<void(const parmap::progress&)>()})),
                             "**Try** `parmap::report::silent`."),
      call<invalid_argument>("Axes in lockstep that are not equally long", CALL(parmap::zip(x, y)),
                             "`zip` pairs elements; **try** two axes, `map(f, x, y)`, for every combination."),
      call<std::length_error>("Too many combinations", CALL(parmap::map(sum, many, many, many)),
                              "Nothing has begun. **Try** to map over fewer axes and loop over the others inside f."),
      call<std::bad_alloc>(
          "No memory for the results", CALL(parmap::map([](std::int64_t i) { return i; }, endless)),
          "Nothing has begun. All results lie in memory at once: **try** to return less from each task, "
          "or to map over one part after the other."),
      call<std::system_error>(
          "No fork", CALL(parmap::map(twice, x)),
          "Not one worker could be started, and no task has begun. If only some can be had, the map runs on those. "
          "**Try** `ulimit -u`, the `pids.max` of your container or batch job, and whether the caller holds "
          "so much memory that a copy is refused (`vm.overcommit_memory`).",
          [] { refuse({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}, EAGAIN); }),
      call<std::system_error>(
          "No shared memory", CALL(parmap::map(twice, x)),
          "The results' memory was refused. Only its pages that are written to cost memory, so look for a limit of "
          "address space first: `ulimit -v`, `vm.overcommit_memory = 2`.",
          refuse_memory),
      call<std::runtime_error>(
          "Workers that die at birth", CALL(parmap::map(twice, x, {.workers = 1})),
          "Worker after worker died before it began a task, so that going on would never end. The last death is "
          "described as in a failure; here a sandbox forbids prctl. Other causes are a fork handler "
          "(pthread_atfork) that crashes in the child, and somebody who kills every new process.",
          [] { refuse({SYS_prctl}, EPERM); }),
      call<std::runtime_error>("A memory limit without /proc", CALL(parmap::map(twice, x, {.memory_limit = 1 << 20})),
                               "What a worker begins with is read from /proc/self/status. **Try** to mount /proc in "
                               "the container.",
                               [] { refuse({SYS_openat}, ENOENT); }),
      call<std::runtime_error>(
          "Shared memory that was written over", CALL(parmap::detail::throw_overwritten("its failures overlap")),
          "No worker can have left what the caller found there, so a task wrote through a wild pointer; nothing says "
          "how far. In parentheses stands the sign of it. (This exception is not provoked here.)"),
  };
}

}  // namespace failures_page
