// SPDX-License-Identifier: MIT
// A language runtime that this library serves in its process (Python's), and what it must hear of a map on processes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/worker_assignment.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// Called by the thread that called map, and in workers; what a plain C++ program does is nothing.
class language_runtime {
 public:
  constexpr language_runtime() = default;
  language_runtime(const language_runtime&) = delete;
  language_runtime& operator=(const language_runtime&) = delete;

  virtual void before_fork() noexcept {}
  virtual void after_fork() noexcept {}  // in the caller, also where the fork was refused
  // Whether the workers of the map that begins are to be programs of their own, which share nothing with the caller but
  // the map's memory: start_program(mine, file) in the child makes it one (execve), that does not return, and calls
  // serve_as_program(tasks, mine, file), see multi_run.hpp. Only for results that are encoded.
  virtual bool starts_programs() noexcept { return false; }
  virtual void start_program(const worker_assignment& /*mine*/, int /*memory*/) noexcept {}
  // In a worker, once it cannot outlive its caller; before its first task, and outside of any task's limit.
  virtual void begin_worker(unsigned /*worker*/) noexcept {}
  // A worker ends, and what it has buffered would be lost.
  virtual void end_worker() noexcept {}
  // The caller sleeps until a worker has news.
  virtual void before_sleep() noexcept {}
  virtual void after_sleep() {}

  [[nodiscard]] static language_runtime& current() noexcept { return *installed(); }
  // Before the first map of the process; `who` outlives them all.
  static void install(language_runtime& who) noexcept { installed() = &who; }

 protected:
  ~language_runtime() = default;

 private:
  PARMAP_API static language_runtime*& installed() noexcept;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/language_runtime.inl.hpp>
#endif
