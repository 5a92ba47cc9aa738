// SPDX-License-Identifier: MIT
// A stream on the engine serial: the calling thread runs a task when its outcome is asked for.
#include "python_stream.hpp"
#include "serial_worker.hpp"

#include <parmap/detail/threads/serial_stream.hpp>

#include <memory>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Lets the exception of a task pass untouched.
class serial_calls {
 public:
  explicit serial_calls(nb::handle task) : call_(task) {}

  static constexpr bool tells_of_tasks = true;

  struct scope {
    scope(serial_calls&, context&) {}
  };

  task_value run(std::uint64_t i, context& self, call_plan::cursor& at) const { return task_value(call_(i, self, at)); }

 private:
  serial_call call_;
};

class serial_engine final : public stream_engine {
  using tasks = python_tasks<task_value, serial_calls>;

 public:
  // `scope`: a parmap._stream._SerialScope.
  serial_engine(std::shared_ptr<stream_parts> parts, const options& chosen, nb::handle scope)
      : parts_(std::move(parts)),
        scope_(nb::borrow(scope)),
        task_(scope.attr("task")),
        calls_(task_),
        tasks_(parts_->plan, calls_),
        stream_(tasks_, chosen, parts_->size()) {}

  serial_engine(const serial_engine&) = delete;
  serial_engine& operator=(const serial_engine&) = delete;
  ~serial_engine() override {
    if (!worker_) return;
    try {
      const entered here(scope_);
      worker_.reset();  // calls finish
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("parmap: the end of a stream on serial");
    }
  }

  bool allow(std::uint64_t limit) override { return stream_.allow(limit); }
  void end_at(std::uint64_t tasks) override { stream_.end_at(tasks); }
  void halt() noexcept override { stream_.halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return stream_.workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return stream_.mean_bytes(); }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    const entered here(scope_);
    if (!worker_) worker_.emplace(parts_->asked.setup);
    const detail::ticks begun = detail::now_ticks();
    const auto how = stream_.next(to, patience);
    if (how == detail::arrival::outcome && to->result.outcome) to->spent = detail::now_ticks() - begun;
    if (how == detail::arrival::end) worker_->leave();
    return how;
  }

 private:
  // What a task does not share with the loop that reads the stream.
  class entered {
   public:
    explicit entered(nb::handle scope) : scope_(scope) { scope_.attr("enter")(); }
    entered(const entered&) = delete;
    entered& operator=(const entered&) = delete;
    ~entered() {
      PyObject* type = nullptr;
      PyObject* error = nullptr;
      PyObject* trace = nullptr;
      PyErr_Fetch(&type, &error, &trace);
      if (!nb::steal(PyObject_CallMethod(scope_.ptr(), "leave", nullptr)).is_valid())
        PyErr_WriteUnraisable(scope_.ptr());
      PyErr_Restore(type, error, trace);
    }

   private:
    nb::handle scope_;
  };

  std::shared_ptr<stream_parts> parts_;
  nb::object scope_;
  nb::object task_;
  serial_calls calls_;
  tasks tasks_;
  detail::serial_stream<tasks> stream_;
  std::optional<serial_worker> worker_;  // init runs when the first outcome is asked for
};

}  // namespace

std::unique_ptr<stream_engine> open_serial_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                  nb::handle scope) {
  return std::make_unique<serial_engine>(parts, chosen, scope);
}

}  // namespace parmap::python
