// SPDX-License-Identifier: MIT
// A stream on the engine threads. Its threads run ahead as far as the window permits; one more raises TaskTimeout in
// tasks that are late, as the reading thread may be anywhere.
#include "python_stream.hpp"
#include "thread_crew.hpp"

#include <parmap/detail/system/detached_thread.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/threads/threads_stream.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

using clock = thread_seat::clock;

// Runs act() without the GIL.
template <class Act>
decltype(auto) without_gil(const Act& act) {
  class released {
   public:
    released() noexcept : mine_(PyEval_SaveThread()) {}
    released(const released&) = delete;
    released& operator=(const released&) = delete;
    ~released() {
      unless_python_ends([this] { PyEval_RestoreThread(mine_); });
    }

   private:
    PyThreadState* mine_;
  };
  const released here;
  return act();
}

// Everything that the threads use. If tasks go on when the stream is closed, it outlives the stream.
class thread_stream {
 public:
  thread_stream(std::shared_ptr<stream_parts> parts, const options& chosen, const thread_needs& needs, unsigned workers)
      : parts_(std::move(parts)),
        chosen_(chosen),
        crew_(parts_->asked, needs, workers),
        stopped_(needs.stopped),
        tasks_(parts_->plan, *this) {
    chosen_.workers = workers;
    chosen_.stop = parts_->stop.get_token();
    chosen_.reporter = report::silent;
    stream_.emplace(tasks_, chosen_, parts_->size());
    if (chosen_.timeout || chosen_.deadline)
      watcher_ = std::jthread([this](const std::stop_token& end) { watch(end); });
  }

  // ---- by the threads that run tasks

  class scope {
   public:
    scope(thread_stream& of, context& self) { of.crew_.begin_worker(self.worker()); }

   private:
    gil held_;
  };
  task_value run(std::uint64_t i, context& self, call_plan::cursor& at) { return task_value(crew_.call(i, self, at)); }
  // The thread ends with the stream, and so does its thread state.
  void end_worker(context& self) noexcept {
    crew_.end_worker(self);
    unless_python_ends([] {
      if (PyThreadState* const mine = PyGILState_GetThisThreadState(); mine != nullptr) {
        PyEval_RestoreThread(mine);
        PyGILState_Release(PyGILState_UNLOCKED);
      }
    });
  }

  // ---- by the reading thread, with the GIL held

  [[nodiscard]] detail::threads_stream<python_tasks<task_value, thread_stream>>& stream() noexcept { return *stream_; }
  [[nodiscard]] const thread_crew& crew() const noexcept { return crew_; }
  void stop_tasks() noexcept {
    parts_->stop.request_stop();
    crew_.raise_everywhere(stopped_);
  }
  // Without the GIL: whether all threads end in time.
  [[nodiscard]] bool ends_within(std::chrono::milliseconds patience) noexcept {
    std::optional<detail::ended_task<task_value>> unread;
    for (const auto until = clock::now() + patience; clock::now() < until; unread.reset()) try {
        if (stream_->next(unread, std::chrono::milliseconds(5)) == detail::arrival::end) return true;
      } catch (...) {
        return true;  // what ended the stream; nobody reads it any more
      }
    return false;
  }
  // Without the GIL: waits for the threads.
  void end_threads() noexcept {
    stream_.reset();
    watcher_.request_stop();
    if (watcher_.joinable()) watcher_.join();
  }

 private:
  void watch(const std::stop_token& end) {
    constexpr std::chrono::milliseconds stands_still{500};  // see engine_threads.cpp
    std::unique_lock lock(mutex_);
    for (auto next = clock::now(); !end.stop_requested();) {
      news_.wait_until(lock, end, std::min(next, clock::now() + std::chrono::hours(1)),
                       [&end] { return end.stop_requested(); });
      if (end.stop_requested()) return;
      const auto now = clock::now();
      unless_python_ends([&] {
        const PyGILState_STATE before = PyGILState_Ensure();
        if (now > next && now - next > stands_still) crew_.forgive(now - next);
        next = std::min(crew_.enforce_limit(now), crew_.enforce_deadline(now));
        PyGILState_Release(before);
      });
    }
  }

  std::shared_ptr<stream_parts> parts_;
  options chosen_;
  thread_crew crew_;
  nb::handle stopped_;
  python_tasks<task_value, thread_stream> tasks_;
  std::mutex mutex_;
  std::condition_variable_any news_;
  std::optional<detail::threads_stream<python_tasks<task_value, thread_stream>>> stream_;
  std::jthread watcher_;
};

class thread_engine final : public stream_engine {
 public:
  thread_engine(const std::shared_ptr<stream_parts>& parts, const options& chosen, const thread_needs& needs)
      : workers_(static_cast<unsigned>(
            std::clamp<std::uint64_t>(parts->size().value_or(chosen.workers), 1, chosen.workers))),
        all_(std::make_unique<thread_stream>(parts, chosen, needs, workers_)) {}
  thread_engine(const thread_engine&) = delete;
  thread_engine& operator=(const thread_engine&) = delete;
  // Tasks that go on in C code are left behind, as parmap() leaves them at Ctrl-C.
  ~thread_engine() override {
    static constexpr std::chrono::milliseconds farewell{150};
    if (generation_ != detail::fork_generation()) {
      static_cast<void>(all_.release());  // a copy in a forked process, which has none of these threads
      return;
    }
    all_->stop_tasks();
    if (without_gil([this] { return all_->ends_within(farewell); })) {
      without_gil([this] { all_->end_threads(); });
      return;
    }
    thread_stream* const left = all_.release();
    try {
      detail::start_detached_thread(0, [left] {
        left->end_threads();
        unless_python_ends([left] {
          const PyGILState_STATE before = PyGILState_Ensure();
          delete left;
          PyGILState_Release(before);
        });
      });
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): without a thread it is never freed
    }
  }

  bool allow(std::uint64_t limit) override { return all_->stream().allow(limit); }
  void end_at(std::uint64_t tasks) override { all_->stream().end_at(tasks); }
  void halt() noexcept override { all_->stream().halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return workers_; }
  // The sizes of objects are not known, so the window is small.
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override {
    constexpr std::uint64_t least_window = 16;
    return (std::uint64_t{2} << 20) / least_window;
  }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    const auto how = all_->stream().next(to, patience.zero());
    if (how != detail::arrival::nothing_yet || patience <= patience.zero()) return how;
    return without_gil([&] { return all_->stream().next(to, patience); });
  }
  [[nodiscard]] nb::object take_raised(std::uint64_t task) override {
    PyObject* const raised = all_->crew().raised();
    if (PyDict_GET_SIZE(raised) == 0) return nb::none();
    const nb::int_ index(task);
    PyObject* const found = PyDict_GetItemWithError(raised, index.ptr());
    if (found == nullptr) return nb::none();
    nb::object error = nb::borrow(found);
    if (PyDict_DelItem(raised, index.ptr()) != 0) PyErr_Clear();  // it was found there
    return error;
  }
  int traverse(visitproc visit, void* arg) const override { return all_->crew().traverse(visit, arg); }

 private:
  std::uint64_t generation_{detail::fork_generation()};
  unsigned workers_;
  std::unique_ptr<thread_stream> all_;
};

}  // namespace

std::unique_ptr<stream_engine> open_thread_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                  const thread_needs& needs) {
  return std::make_unique<thread_engine>(parts, chosen, needs);
}

}  // namespace parmap::python
