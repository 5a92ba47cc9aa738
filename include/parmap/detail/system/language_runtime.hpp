// SPDX-License-Identifier: MIT
// language_runtime: the hooks of a language runtime (Python's) in a process that runs maps on worker processes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/worker_assignment.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Called in the thread that called map, and in workers. In a plain C++ program the hooks do nothing.
class language_runtime {
 public:
  constexpr language_runtime() = default;
  language_runtime(const language_runtime&) = delete;
  language_runtime& operator=(const language_runtime&) = delete;

  virtual void before_fork() noexcept {}
  virtual void after_fork() noexcept {}  // in the caller, also after a refused fork
  // Called in the process that supervises the workers of a stream: after its own fork, before it forks any worker; and
  // as it ends in order. All signals are blocked there.
  virtual void begin_supervisor() noexcept {}
  virtual void end_supervisor() noexcept {}
  // Whether the workers of the map that begins are separate programs, which share only the map's memory with the
  // caller. Then the child calls start_program(mine, file), which executes the program (execve) and does not return.
  // The program inherits `file` and the descriptors in `mine`; it calls serve_as_program(tasks, mine, file), see
  // multi_run.hpp, or serve_pool_as_program, see pool_tasks.hpp. Only for encoded results and pools.
  virtual bool starts_programs() noexcept { return false; }
  virtual void start_program(const worker_assignment& /*mine*/, int /*memory*/) noexcept {}
  // Called in a worker once it is set to die with its caller; before its first task, and outside any task's limit.
  virtual void begin_worker(unsigned /*worker*/) noexcept {}
  // Whether begin_worker sets up what finish_worker has to end: then a worker is not killed in birth as the map ends.
  [[nodiscard]] virtual bool ends_what_it_begins() const noexcept { return false; }
  // Whether tasks may print into buffers of the runtime; then flush_output is called in a worker after each task.
  [[nodiscard]] virtual bool buffers_output() const noexcept { return false; }
  virtual void flush_output() noexcept {}
  // Called around a worker's wait for further tasks.
  virtual void before_wait() noexcept {}
  virtual void after_wait() noexcept {}
  // Called in a worker that has done its work, before what its tasks have started is ended: what tasks have left to the
  // end of the process. Its limit is that of leaving; see tell_leaving.
  virtual void finish_worker() noexcept {}
  // After so many tasks a worker leaves, and another one takes its place; 0: never. Asked in the worker.
  [[nodiscard]] virtual std::uint64_t most_tasks_of_worker() const noexcept { return 0; }
  // Called when a worker ends, to flush the runtime's buffers.
  virtual void end_worker() noexcept {}
  // Called in the caller: a worker was killed because it took too long to leave. `doing` is what it last told by
  // tell_leaving, or 0.
  virtual void cut_off_worker(int /*doing*/) noexcept {}
  // Whether a worker that has done its work calls the handlers that tasks have registered with atexit.
  [[nodiscard]] virtual bool runs_exit_handlers() const noexcept { return true; }
  // Called in the caller now and then, before the reporter: the task that has been running for longest, and for how
  // long at least. Not called while none runs.
  virtual void note_longest_task(std::uint64_t /*task*/, std::chrono::nanoseconds /*spent*/) noexcept {}
  // Called around the caller's wait for its workers.
  virtual void before_sleep() noexcept {}
  virtual void after_sleep() {}

  [[nodiscard]] static language_runtime& current() noexcept { return *installed(); }
  // Call before the first map of the process; `who` must outlive all maps.
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
