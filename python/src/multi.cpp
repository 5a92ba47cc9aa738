// SPDX-License-Identifier: MIT
// The engine multi for Python: what the interpreter must hear of forks and sleeps, and the calls in a worker.
#include "buffer.hpp"
#include "map.hpp"
#include "post.hpp"

#include <parmap/detail/host.hpp>

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Of the map that this thread is in, and its workers after the fork. Maps nest.
class worker_setup {
 public:
  worker_setup(const request& asked, const process_needs& needs, unsigned workers, lookout& watch, buffer_file& buffers)
      : watch_(watch),
        init_(asked.init),
        begin_(needs.begin),
        flush_(needs.flush),
        workers_(workers),
        buffers_(buffers),
        outer_(std::exchange(current_, this)) {}
  worker_setup(const worker_setup&) = delete;
  worker_setup& operator=(const worker_setup&) = delete;
  ~worker_setup() { current_ = outer_; }

  [[nodiscard]] static worker_setup* current() noexcept { return current_; }

  // The buffers that it has flushed.
  nb::object flush() const noexcept {
    nb::object buffers = nb::steal(PyObject_CallNoArgs(flush_.ptr()));
    if (!buffers.is_valid()) forget_exception();  // as the C library's would
    return buffers;
  }
  [[nodiscard]] buffer_file& buffers() const noexcept { return buffers_; }
  // Also what it raises is kept, for the map's next look.
  void heed_signals() noexcept { static_cast<void>(watch_.no_interrupt()); }
  // Workers are to be programs of their own.
  void start(program& what) noexcept { program_ = &what; }
  [[nodiscard]] program* to_start() const noexcept { return program_; }
  // This is one, which was not forked from Python; `unfit` unless that is None.
  void in_program(nb::handle unfit) {
    in_program_ = true;
    if (!unfit.is_none()) error_ = nb::borrow(unfit);
  }
  [[nodiscard]] bool is_program() const noexcept { return in_program_; }

  // What goes wrong is told by every task of this worker: there is nobody else to tell.
  void begin() noexcept {
    if (error_.is_valid()) return;
    const nb::object workers = nb::steal(PyLong_FromUnsignedLong(workers_));
    if (!nb::steal(PyObject_CallOneArg(begin_.ptr(), workers.ptr())).is_valid()) error_ = take_exception();
  }
  void run_init() noexcept {
    if (error_.is_valid() || init_.is_none()) return;
    if (!nb::steal(PyObject_CallNoArgs(init_.ptr())).is_valid()) error_ = take_exception();
  }
  [[nodiscard]] const nb::object& error() const noexcept { return error_; }

 private:
  lookout& watch_;
  nb::handle init_;
  nb::handle begin_;
  nb::handle flush_;
  unsigned workers_;
  buffer_file& buffers_;
  program* program_{};
  bool in_program_{};
  nb::object error_;
  worker_setup* outer_;

  static inline thread_local worker_setup* current_{};
};

// The GIL is held all the time, but while the caller sleeps; so it is at a fork, and in a worker.
class interpreter final : public detail::host {
 public:
  bool starts_programs() noexcept override { return worker_setup::current()->to_start() != nullptr; }
  void start_program(const detail::assignment& mine, int memory) noexcept override {
    const buffer_file& buffers = worker_setup::current()->buffers();
    ctrl_c_.reset();
    worker_setup::current()->to_start()->start({mine, memory, buffers.file(), buffers.worker()});
  }
  // Ctrl-C waits meanwhile: what it raised in a hook of the fork, in Python, would be printed and lost.
  void before_fork() noexcept override {
    ctrl_c_.emplace();
    worker_setup::current()->heed_signals();
    if (!starts_programs()) {  // which run no Python before they are others
      const nb::object buffers = worker_setup::current()->flush();
      PyOS_BeforeFork();
      wait_for_locks_of(buffers);
    }
    worker_setup::current()->buffers().next_worker();
    fork_watch::begin_worker_fork();
  }
  void after_fork() noexcept override {
    fork_watch::end_worker_fork();
    if (!starts_programs()) PyOS_AfterFork_Parent();
    ctrl_c_.reset();
  }
  void begin_worker(unsigned) noexcept override {
    fork_watch::end_worker_fork();
    if (!worker_setup::current()->is_program()) PyOS_AfterFork_Child();
    worker_setup::current()->begin();
    ctrl_c_.reset();
    worker_setup::current()->run_init();
  }
  void end_worker() noexcept override {
    if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) worker_setup::current()->flush();
  }
  void before_sleep() noexcept override { asleep_ = PyEval_SaveThread(); }
  void after_sleep() override {
    unless_python_ends([] { PyEval_RestoreThread(std::exchange(asleep_, nullptr)); });
  }

 private:
  // A buffer's lock is held without the GIL by a thread that is inside a write. In a worker it would be held for ever.
  // From here to the fork no bytecode is run and nothing is left to be written, so nobody else gets the GIL to take it;
  // twice, as the wait for one buffer lets others at the one before.
  static void wait_for_locks_of(const nb::object& buffers) noexcept {
    if (!buffers.is_valid() || !PyList_CheckExact(buffers.ptr())) return;
    for (int round = 0; round < 2; ++round)
      for (Py_ssize_t k = 0; k < PyList_GET_SIZE(buffers.ptr()); ++k)
        if (!nb::steal(PyObject_CallMethod(PyList_GET_ITEM(buffers.ptr(), k), "flush", nullptr)).is_valid())
          forget_exception();
  }

  // SIGINT is blocked in this thread while it lives.
  class ctrl_c_blocked {
   public:
    ctrl_c_blocked() noexcept {
      sigset_t one;
      sigemptyset(&one);
      sigaddset(&one, SIGINT);
      ::pthread_sigmask(SIG_BLOCK, &one, &before_);
    }
    ctrl_c_blocked(const ctrl_c_blocked&) = delete;
    ctrl_c_blocked& operator=(const ctrl_c_blocked&) = delete;
    ~ctrl_c_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

   private:
    sigset_t before_{};
  };

  static inline thread_local PyThreadState* asleep_{};
  static inline thread_local std::optional<ctrl_c_blocked> ctrl_c_{};
};

class worker_calls {
 public:
  struct scope {
    scope(worker_calls&, context&) {}
  };

  [[nodiscard]] value run(std::uint64_t, context&, call_plan::cursor& at) const {
    if (const nb::object& error = worker_setup::current()->error(); error.is_valid()) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
      throw_packed();
    }
    PyObject* const made = at.call();
    if (made == nullptr) throw_packed();
    return value(made);
  }
};

void prepare() {
  static interpreter here;
  detail::host::install(here);
  import_exceptions();
  import_buffers();
  fork_watch::begin();
}

}  // namespace

outcome run_multi(const request& asked, const process_needs& needs) {
  prepare();
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  const unsigned most = asked.chosen.workers != 0 ? asked.chosen.workers : detail::usable_cores();
  lookout watch(asked);
  buffer_file buffers;
  worker_setup setup(asked, needs, static_cast<unsigned>(std::clamp<std::uint64_t>(plan.size(), 1, most)), watch,
                     buffers);
  std::optional<program> other;
  if (!needs.program.is_none())
    setup.start(other.emplace(needs.program.attr("arguments"), nb::cast<int>(needs.program.attr("job"))));
  const value_transport transport(needs.pickling, needs.scalar_types, buffers);
  options chosen = asked.chosen;
  chosen.report = [&](const progress& now) {
    bool go_on = watch.no_interrupt();
    if (go_on) {
      watch.show(now.done());
      go_on = !watch.interrupted() && !(asked.stop_at_failure && now.failed > 0);
    }
    if (!go_on && !now.finished) throw detail::stop_now();
  };
  worker_calls calls;
  auto all = multi.run(work<value, worker_calls>(plan, calls), chosen);
  PyObject* const values = asked.values.ptr();
  const failure_list& failures = all.failures();
  failures.for_each_gap(all.size(), [&](std::uint64_t b, std::uint64_t e) {
    for (std::uint64_t i = b; i < e; ++i)
      PyList_SetItem(values, static_cast<Py_ssize_t>(i), Py_NewRef(all.get_if(i)->get()));
  });
  outcome what{nb::list(), watch.interrupted() ? watch.interrupt() : nb::none()};
  add_failures(what.failures, failures);
  return what;
}

void serve(const request& asked, const process_needs& needs, const std::string& text, nb::handle at_go,
           nb::handle unfit) {
  prepare();
  const post told = to_post(text);
  for (const int each : {told.memory, told.buffers})
    if (each >= 0) static_cast<void>(::fcntl(each, F_SETFD, FD_CLOEXEC));  // not for what tasks start
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  lookout watch(asked);
  buffer_file buffers(told.buffers, told.region);
  worker_setup setup(asked, needs, told.mine.workers, watch, buffers);
  setup.in_program(unfit);
  const value_transport transport(needs.pickling, needs.scalar_types, buffers);
  worker_calls calls;
  detail::serve_as_program(work<value, worker_calls>(plan, calls), told.mine, told.memory, [&] {
    if (!nb::steal(PyObject_CallNoArgs(at_go.ptr())).is_valid()) forget_exception();
  });
}

}  // namespace parmap::python
