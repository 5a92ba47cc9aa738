// SPDX-License-Identifier: MIT
// The engine threads for Python. The calling thread runs no task: it handles signals, limits and the reporter. The
// map's own thread and the pool's threads run the tasks, so that on Ctrl-C the caller can leave tasks behind that sleep
// in C code.
#include "python_map.hpp"
#include "thread_seat.hpp"

#include <parmap/detail/schedule/deadline.hpp>
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

// Holds the GIL in a thread that the interpreter did not create. Such a thread keeps its thread state, so that what a
// task stores in threading.local is there for the next task.
class gil {
 public:
  gil() {
    unless_python_ends([this] {
      if (PyGILState_GetThisThreadState() == nullptr) {
        static_cast<void>(PyGILState_Ensure());
        static_cast<void>(PyEval_SaveThread());
      }
      before_ = PyGILState_Ensure();
    });
  }
  gil(const gil&) = delete;
  gil& operator=(const gil&) = delete;
  ~gil() { PyGILState_Release(before_); }

 private:
  PyGILState_STATE before_{};
};

// Everything that the map's threads use. They may outlive the call: the last user frees it, with the GIL held.
class thread_run {
 public:
  thread_run(const request& asked, const thread_needs& needs, unsigned workers)
      : keep_{nb::borrow(asked.func),
              nb::borrow(asked.axes),
              nb::borrow(asked.fargs),
              nb::borrow(asked.setup),
              nb::borrow(needs.late),
              nb::borrow(needs.stopped),
              nb::borrow(needs.begin),
              nb::borrow(needs.end),
              nb::borrow(needs.begin_task),
              needs.raised,
              asked.values,
              asked.ends},
        plan_(asked.func, asked.axes, asked.fargs),
        values_(asked.values.ptr()),
        raised_(needs.raised.ptr()),
        make_setup_(asked.setup),
        ends_(asked.ends.ptr()),
        begin_(needs.begin),
        end_(needs.end),
        begin_task_(needs.begin_task),
        context_(nb::steal(PyContext_CopyCurrent())),
        late_(needs.late),
        stopped_(needs.stopped),
        chosen_(asked.chosen),
        last_(asked.chosen.deadline),
        workers_(workers) {
    chosen_.workers = workers;
    chosen_.stop = stop_.get_token();
    chosen_.reporter = report::silent;
  }

  // ---- Called by the threads that run tasks.

  // Called in the map's own thread.
  void run() noexcept {
    try {
      results_.emplace(threads.run(python_tasks<void, thread_run>(plan_, *this), chosen_));
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
    scope(thread_run& map, context& self) { map.begin_worker(self.worker()); }

   private:
    gil held_;
  };

  // The thread runs no more tasks of the map.
  void end_worker(context& self) noexcept {
    if (make_setup_.is_none() && end_.is_none()) return;
    const gil held;
    unless_python_ends([&] {
      thread_seat& mine = workers_[self.worker()];
      if (const nb::object leave = std::move(mine.leave); leave.is_valid()) {
        const within here(mine.context);
        if (!nb::steal(PyObject_CallNoArgs(leave.ptr())).is_valid()) {
          const nb::object error = take_exception();
          if (PyList_Append(ends_, error.ptr()) != 0) PyErr_WriteUnraisable(ends_);
        }
      }
      if (mine.ready && !end_.is_none() && !nb::steal(PyObject_CallNoArgs(end_.ptr())).is_valid())
        PyErr_WriteUnraisable(end_.ptr());
    });
  }

  void run(std::uint64_t i, context& self, call_plan::cursor& at) {
    thread_seat& mine = workers_[self.worker()];
    unless_python_ends([&] {
      if (mine.unfit.is_valid()) fail(i, self, mine.unfit);
      mine.begin(i);
      PyObject* const made = call_in_context(mine, at);
      async_exception* const asked = mine.end();
      nb::object error = made == nullptr ? take_exception() : nb::object();
      if (asked != nullptr) asked->withdraw();  // in case it came too late
      if (made == nullptr) fail(i, self, error);
      PyList_SetItem(values_, static_cast<Py_ssize_t>(i), made);
      mine.count(true);
    });
  }

  // ---- Called by the calling thread, with the GIL held.

  [[nodiscard]] tasks_ended ended_tasks() const noexcept {
    tasks_ended all{};
    for (const thread_seat& each : workers_) each.add_to(all);
    return all;
  }
  [[nodiscard]] std::optional<running_longest> longest() const {
    std::optional<thread_seat::running> found;
    for (const thread_seat& each : workers_)
      if (const auto now = each.now_running(); now && (!found || now->begun < found->begun)) found = now;
    if (!found) return {};
    return running_longest{found->task, clock::now() - found->begun};
  }
  void stop() { stop_.request_stop(); }
  // Raises an exception of this class in every running task, at its next bytecode.
  void raise_everywhere(nb::handle type) noexcept {
    for (thread_seat& each : workers_) each.raise(type);
  }
  // Raises TaskNotRun in every running task when the grace after the deadline is over. Returns when to check again.
  clock::time_point enforce_deadline(clock::time_point now) noexcept {
    if (asked_to_end_ || now < last_.end_all()) return asked_to_end_ ? clock::time_point::max() : last_.end_all();
    asked_to_end_ = true;
    raise_everywhere(stopped_);
    return clock::time_point::max();
  }
  // Raises the timeout exception once in each task that is late. Returns when to check again.
  clock::time_point enforce_limit(clock::time_point now) noexcept {
    if (!chosen_.timeout) return clock::time_point::max();
    const auto limit = *chosen_.timeout;
    auto next = limit < clock::time_point::max() - now ? now + limit : clock::time_point::max();
    for (thread_seat& each : workers_)
      if (const auto due = each.raise_if_late(now, limit, late_)) next = std::min(next, *due);
    return next;
  }
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
    if (overslept > stands_still) forgive(overslept);
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
  // Call this once the map has ended.
  [[nodiscard]] const results<void>& finish() const {
    if (error_) std::rethrow_exception(error_);
    return *results_;
  }

 private:
  // Runs this thread in a context (contextvars) for its lifetime.
  class within {
   public:
    explicit within(const nb::object& context) noexcept : context_(context) { PyContext_Enter(context_.ptr()); }
    within(const within&) = delete;
    within& operator=(const within&) = delete;
    ~within() {
      PyObject* type = nullptr;
      PyObject* error = nullptr;
      PyObject* trace = nullptr;
      PyErr_Fetch(&type, &error, &trace);  // of what ran in it
      PyContext_Exit(context_.ptr());
      PyErr_Restore(type, error, trace);
    }

   private:
    const nb::object& context_;
  };

  // A copy for each task: a context can be entered by one thread at a time, and no task changes another's.
  PyObject* call_in_context(const thread_seat& mine, call_plan::cursor& at) {
    const nb::object context = nb::steal(mine.context.is_valid() ? PyContext_Copy(mine.context.ptr()) : nullptr);
    if (!context.is_valid()) return PyErr_Occurred() != nullptr ? nullptr : PyErr_NoMemory();
    const within here(context);
    if (!begin_task_.is_none() && !nb::steal(PyObject_CallNoArgs(begin_task_.ptr())).is_valid()) return nullptr;
    return at.call();
  }

  // This thread slept without the GIL, so it wakes late only if the whole process was stopped meanwhile (Ctrl-Z and
  // fg). That time does not count against the tasks.
  static constexpr std::chrono::milliseconds stands_still{500};
  void forgive(clock::duration stopped) noexcept {
    for (thread_seat& each : workers_) each.forgive(stopped);
  }

  void begin_worker(unsigned worker) {
    thread_seat& mine = workers_[worker];
    if (std::exchange(mine.ready, true)) return;
    unless_python_ends([&] {
      const nb::object number = nb::steal(PyLong_FromUnsignedLong(worker));
      if (!nb::steal(PyObject_CallOneArg(begin_.ptr(), number.ptr())).is_valid()) PyErr_WriteUnraisable(begin_.ptr());
      mine.context = nb::steal(PyContext_Copy(context_.ptr()));
      if (make_setup_.is_none() || !mine.context.is_valid()) return;
      const within here(mine.context);
      const nb::object setup = nb::steal(PyObject_CallNoArgs(make_setup_.ptr()));
      if (setup.is_valid() && nb::steal(PyObject_CallMethod(setup.ptr(), "enter", nullptr)).is_valid())
        mine.leave = nb::steal(PyObject_GetAttrString(setup.ptr(), "leave"));
      if (!mine.leave.is_valid()) mine.unfit = take_exception();
    });
  }
  [[noreturn]] void fail(std::uint64_t i, const context& self, const nb::object& error) {
    const nb::int_ index(i);
    if (PyDict_SetItem(raised_, index.ptr(), error.ptr()) != 0) PyErr_Clear();  // memory has run out; its text is told
    if (self.attempt() > chosen_.retries) workers_[self.worker()].count(false);
    throw_in_words(error);
  }

  std::vector<nb::object> keep_;
  call_plan plan_;
  PyObject* values_;
  PyObject* raised_;
  nb::handle make_setup_;
  PyObject* ends_;
  nb::handle begin_;
  nb::handle end_;
  nb::handle begin_task_;
  nb::object context_;  // the caller's, as the map begins
  nb::handle late_;
  nb::handle stopped_;
  options chosen_;
  detail::deadline last_;
  bool asked_to_end_{};
  std::stop_source stop_;
  std::vector<thread_seat> workers_;
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
    const auto limit = std::min(map->enforce_limit(now), map->enforce_deadline(now));
    ended = map->wait_until(std::min({now + glance, limit, next_show, patience}));
    if (watch.interrupted()) {
      if (!ended && clock::now() >= patience) break;
      continue;
    }
    try {
      if (watch.no_interrupt() && !reporter_raised && (ended || clock::now() >= next_show)) {
        next_show = clock::now() + glance;
        if (watch.asked_to_stop()) map->stop();
        const auto [done, failed] = map->ended_tasks();
        watch.show(done, failed, map->longest());
      }
    } catch (nb::python_error& error) {
      reporter_raised.emplace(std::move(error));
      map->stop();
    }
    if (watch.interrupted()) {
      map->stop();
      map->raise_everywhere(PyExc_KeyboardInterrupt);
      patience = clock::now() + farewell;
    }
  }
  watch.keep_ctrl_c_off();
  if (map->ended()) {
    if (reporter_raised && !watch.interrupted()) throw std::move(*reporter_raised);
    add_failures(asked, map->finish().failures());
  }
  return watch.interrupt();
}

}  // namespace parmap::python
