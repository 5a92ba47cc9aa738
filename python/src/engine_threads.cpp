// SPDX-License-Identifier: MIT
// The engine threads for Python. The calling thread runs no task: it handles signals, limits and the reporter. The
// map's own thread and the pool's threads run the tasks, so that on Ctrl-C the caller can leave tasks behind that sleep
// in C code.
#include "python_map.hpp"
#include "recorder.hpp"
#include "thread_crew.hpp"

#include <parmap/detail/system/detached_thread.hpp>
#include <parmap/detail/threads/thread_pool.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

namespace parmap::python {

namespace nb = nanobind;

namespace {

using clock = thread_seat::clock;

// Everything that the map's threads use. They may outlive the call: the last user frees it, with the GIL held.
class thread_run {
 public:
  thread_run(const request& asked, const thread_needs& needs, unsigned workers)
      : crew_(asked, needs, workers),
        plan_(asked.func, asked.axes, asked.fargs),
        values_(asked.values.ptr()),
        chosen_(asked.chosen),
        observers_(asked.times, asked.recorder) {
    chosen_.workers = workers;
    chosen_.stop = stop_.get_token();
    chosen_.reporter = report::silent;
  }

  // ---- Called by the threads that run tasks.

  // Called in the map's own thread.
  void run() noexcept {
    try {
      results_.emplace(threads.run(python_tasks<void, thread_run>(plan_, *this, observers_.first()), chosen_));
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  // Returns true if the calling thread has left already: then the map's thread must free this. Otherwise this may be
  // gone when it returns.
  [[nodiscard]] bool leave_last() {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    news_.notify_all();
    return abandoned_;
  }

  // Lives while a thread runs a chunk of tasks.
  class scope {
   public:
    scope(thread_run& map, context& self) { map.crew_.begin_worker(self.worker()); }

   private:
    gil held_;
  };
  void end_worker(context& self) noexcept { crew_.end_worker(self); }
  void run(std::uint64_t i, context& self, call_plan::cursor& at) {
    PyList_SetItem(values_, static_cast<Py_ssize_t>(i), crew_.call(i, self, at));
    crew_.count_value(self);
  }

  // ---- Called by the calling thread, with the GIL held.

  [[nodiscard]] thread_crew& crew() noexcept { return crew_; }
  void stop() { stop_.request_stop(); }
  [[nodiscard]] bool ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  // Returns whether the map has ended by then. Waits without the GIL.
  [[nodiscard]] bool wait_until(clock::time_point when) {
    PyThreadState* const mine = PyEval_SaveThread();
    auto overslept = clock::duration::zero();
    const bool over = [&] {
      std::unique_lock lock(mutex_);
      if (news_.wait_until(lock, when, [this] { return ended_; })) return true;
      overslept = clock::now() - when;
      return false;
    }();
    unless_python_ends([mine] { PyEval_RestoreThread(mine); });
    if (overslept > stands_still) crew_.forgive(overslept);
    return over;
  }
  // Deleter for the calling thread, when it leaves.
  struct leave {
    void operator()(thread_run* map) const {
      {
        const std::scoped_lock lock(map->mutex_);
        map->abandoned_ = !map->ended_;
        if (map->abandoned_) return;
      }
      delete map;
    }
  };
  // What has been measured so far.
  void tell_times(const nb::list& to) const { observers_.tell_times(to); }
  // Call this once the map has ended.
  [[nodiscard]] const results<void>& finish() const {
    if (error_) std::rethrow_exception(error_);
    return *results_;
  }

 private:
  // This thread slept without the GIL, so it wakes late only if the whole process was stopped meanwhile (Ctrl-Z and
  // fg). That time does not count against the tasks.
  static constexpr std::chrono::milliseconds stands_still{500};

  thread_crew crew_;
  call_plan plan_;
  PyObject* values_;
  options chosen_;
  std::stop_source stop_;
  map_observers observers_;
  std::optional<results<void>> results_;
  std::exception_ptr error_;
  std::mutex mutex_;
  std::condition_variable news_;
  bool ended_{};  // guarded by the mutex, like abandoned_
  bool abandoned_{};
};

// Starts the map's own thread.
void start(thread_run* map, std::size_t stack) {
  detail::start_detached_thread(stack, [map] {
    unless_python_ends([map] {
      const PyGILState_STATE stranger = PyGILState_Ensure();
      PyThreadState* const mine = PyEval_SaveThread();
      map->run();
      const bool ours_to_free = map->leave_last();
      PyEval_RestoreThread(mine);
      if (ours_to_free) delete map;
      PyGILState_Release(stranger);
    });
  });
}

}  // namespace

nb::object run_threads(const request& asked, const thread_needs& needs) {
  constexpr std::chrono::milliseconds glance{100};    // between two looks at signals and the reporter
  constexpr std::chrono::milliseconds farewell{150};  // for interrupted tasks to end

  const std::uint64_t n = asked.values.size();
  if (n == 0) return nb::none();
  const async_exception::kept_off until_the_end;
  auto made = std::make_unique<thread_run>(asked, needs,
                                           static_cast<unsigned>(std::min<std::uint64_t>(asked.chosen.workers, n)));
  if (needs.stack != 0) detail::thread_pool::instance().want_stack(needs.stack);
  start(made.get(), needs.stack);
  const std::unique_ptr<thread_run, thread_run::leave> map(made.release());

  lookout watch(asked, asked.values.size());
  std::optional<nb::python_error> reporter_raised;
  auto patience = clock::time_point::max();
  auto next_show = clock::now() + glance;
  for (bool ended = false; !ended;) {
    const auto now = clock::now();
    const auto limit = std::min(map->crew().enforce_limit(now), map->crew().enforce_deadline(now));
    ended = map->wait_until(std::min({now + glance, limit, next_show, patience}));
    if (watch.interrupted()) {
      if (!ended && clock::now() >= patience) break;
      continue;
    }
    try {
      if (watch.no_interrupt() && !reporter_raised && (ended || clock::now() >= next_show)) {
        next_show = clock::now() + glance;
        if (watch.asked_to_stop()) map->stop();
        const auto [done, failed] = map->crew().ended_tasks();
        watch.show(done, failed, map->crew().longest());
      }
    } catch (nb::python_error& error) {
      reporter_raised.emplace(std::move(error));
      map->stop();
    }
    if (watch.interrupted()) {
      map->stop();
      map->crew().raise_everywhere(PyExc_KeyboardInterrupt);
      patience = clock::now() + farewell;
    }
  }
  watch.keep_ctrl_c_off();
  map->tell_times(asked.measured);
  if (map->ended()) {
    if (reporter_raised && !watch.interrupted()) throw std::move(*reporter_raised);
    add_failures(asked, map->finish().failures());
  }
  return watch.interrupt();
}

}  // namespace parmap::python
