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
          "`map_failed`: you asked for all values, but some tasks have none. `failures()` of the exception has every "
          "failure; what() shows up to five, or the causes of more. **Try** `values()`, `value_or(...)` or "
          "`value_or_else(...)`, which "
          "accept missing values."),
      call<parmap::task_failed>(
          "The value of a failed task", CALL(parmap::map(picky, x)[3]),
          "`task_failed`: this one task has no value; `why()` is its failure. **Try** `get_if(i)`, which returns "
          "a null pointer instead."),
      call<std::out_of_range>("An index out of range", CALL(parmap::map(twice, x)[5]),
                              "There are as many results as tasks, counted from 0."),
      call<std::runtime_error>(
          "The first exception, under serial", CALL(parmap::map(parmap::serial, picky, x).value()),
          "`serial` does not catch the exception of a task, so that a debugger stops where it was thrown. **Try** "
          "another engine to get all the other results."),
      call<std::runtime_error>(
          "A reporter that throws",
          CALL(parmap::map(twice, x, {.reporter = [](const parmap::progress&) { throw std::runtime_error("no"); }})),
          "map ends its workers and then throws the exception of `options.reporter`."),
      call<std::runtime_error>(
          "An input range that throws",
          CALL(parmap::map(twice, x | std::views::transform(picky) | std::views::filter(positive))),
          "The caller reads a range without random access before any task begins, so map throws the exception of the "
          "range. (In a range with random access, such an exception is the failure of one task.)"),
      call<invalid_argument>("A time limit of zero", CALL(parmap::map(twice, x, {.timeout = 0s})),
                             "A time limit must be longer than zero. Without `timeout`, there is no limit."),
      call<invalid_argument>("max_failures of zero", CALL(parmap::map(twice, x, {.max_failures = 0})),
                             "`max_failures = 1` stops the map at the first failure."),
      call<invalid_argument>("A memory limit of zero", CALL(parmap::map(twice, x, {.memory_limit = 0})),
                             "Without `memory_limit`, there is no limit."),
      call<invalid_argument>("threads and memory_limit",
                             CALL(parmap::map(parmap::threads, twice, x, {.memory_limit = 1 << 20})),
                             "No engine but `serial` accepts an option that it does not support."),
      call<invalid_argument>("threads and timeout", CALL(parmap::map(parmap::threads, twice, x, {.timeout = 1s})),
                             "parmap can only ask a thread to stop, and the task must check its context for that."),
      call<invalid_argument>("No such engine", CALL(parmap::engine_named("thread")),
                             "Write the name exactly as listed."),
      call<invalid_argument>("A result that cannot leave, under an engine chosen by name",
                             CALL(parmap::map(parmap::engine_named("multi"), later, x)),
                             "With `parmap::multi` written in the program, the same is a compile error."),
      call<invalid_argument>("An empty reporter",
                             CALL(parmap::map(twice, x, {.reporter = std::function<void(const parmap::progress&)>()})),
                             "**Try** `parmap::report::silent`."),
      call<invalid_argument>("Axes in lockstep that are not equally long", CALL(parmap::zip(x, y)),
                             "`zip` pairs elements. For every combination, **try** two axes: `map(f, x, y)`."),
      call<std::length_error>("Too many combinations", CALL(parmap::map(sum, many, many, many)),
                              "No task has begun. **Try** to map over fewer axes and loop over the others inside f."),
      call<std::bad_alloc>(
          "No memory for the results", CALL(parmap::map([](std::int64_t i) { return i; }, endless)),
          "No task has begun. All results are in memory at the same time. **Try** to return less from each task, or to "
          "map over one part of the input after another."),
      call<std::system_error>(
          "No fork", CALL(parmap::map(twice, x)),
          "No worker could be started, and no task has begun. If some workers can be started, the map runs on those. "
          "**Try** `ulimit -u`, the `pids.max` of your container or batch job, and whether the caller holds "
          "so much memory that a copy is refused (`vm.overcommit_memory`).",
          [] { refuse({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}, EAGAIN); }),
      call<std::system_error>(
          "No shared memory", CALL(parmap::map(twice, x)),
          "The kernel refused the memory for the results. Only pages that are written to take up memory, so first look "
          "for a limit of address space: `ulimit -v`, `vm.overcommit_memory = 2`.",
          refuse_memory),
      call<std::runtime_error>(
          "Workers that die before their first task", CALL(parmap::map(twice, x, {.workers = 1})),
          "One worker after another died before it began a task, so parmap gave up. The message describes the last "
          "death as a failure would; here a sandbox forbids prctl. Other causes: a fork handler (pthread_atfork) "
          "crashes in the child, or another program kills every new process.",
          [] { refuse({SYS_prctl}, EPERM); }),
      call<std::runtime_error>("A memory limit without /proc", CALL(parmap::map(twice, x, {.memory_limit = 1 << 20})),
                               "parmap reads /proc/self/status to see how much memory a worker begins with. **Try** to "
                               "mount /proc in the container.",
                               [] { refuse({SYS_openat}, ENOENT); }),
      call<std::runtime_error>(
          "Shared memory that was written over", CALL(parmap::detail::throw_overwritten("its failures overlap")),
          "The caller found values there that no worker writes, so a task wrote through a wild pointer. It may have "
          "damaged more. The text in parentheses says what the caller found. (The program that makes this page does "
          "not cause this damage.)"),
  };
}

}  // namespace failures_page
