// SPDX-License-Identifier: MIT
#include "pool_calls.hpp"

#include "exception_transport.hpp"
#include "python_tasks.hpp"
#include "value_outlet.hpp"
#include "worker_setup.hpp"

#include <parmap/detail/pools/pool_function_of.hpp>

#include <array>
#include <memory>
#include <string_view>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// The failure of each task, if the worker could not begin.
void throw_if_unfit() {
  if (const nb::object& error = worker_setup::current()->error(); error.is_valid()) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
    throw_packed();
  }
}

nb::object checked(PyObject* made) {
  if (made == nullptr) throw_packed();
  return nb::steal(made);
}

// Of memory that others may use again.
nb::object copy_of(detail::byte_reader& from, std::size_t size) {
  return checked(
      PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from.read(size)), static_cast<Py_ssize_t>(size)));
}

template <class T>
T number_in(detail::byte_reader& from) {
  T number{};
  std::memcpy(&number, from.read(sizeof number), sizeof number);
  return number;
}

struct sent_inputs {
  std::uint64_t first;
  nb::object what;
};

sent_inputs read_inputs(detail::byte_reader bytes) {
  const auto first = number_in<std::uint64_t>(bytes);
  const auto count = number_in<std::uint64_t>(bytes);
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t k = 0; k < count; ++k) sizes.push_back(number_in<std::uint64_t>(bytes));
  const nb::object pickle = copy_of(bytes, number_in<std::uint64_t>(bytes));
  const nb::object buffers = checked(PyList_New(0));
  for (const std::uint64_t size : sizes) {
    const auto* const from = reinterpret_cast<const char*>(bytes.read(size));
    const nb::object copy = checked(PyByteArray_FromStringAndSize(from, static_cast<Py_ssize_t>(size)));
    if (PyList_Append(buffers.ptr(), copy.ptr()) != 0) throw_packed();
  }
  bytes.expect_end();
  return {first, checked(PyObject_CallFunctionObjArgs(reads_by::current().inputs.ptr(), pickle.ptr(), buffers.ptr(),
                                                      nullptr))};
}

nb::object read_function(detail::byte_reader& bytes) {
  throw_if_unfit();
  const nb::object pickle = copy_of(bytes, bytes.left());
  return checked(PyObject_CallOneArg(reads_by::current().function.ptr(), pickle.ptr()));
}

void end_task_with(const value& made, detail::batch_run& tasks) {
  send_value(tasks.outlet(), tasks.number(), 1, made, worker_setup::current()->buffers());
  tasks.end_task();
}

class planned_calls final : public detail::pool_function {
 public:
  explicit planned_calls(const nb::object& pair)
      : func_(nb::borrow(PyTuple_GetItem(pair.ptr(), 0))),
        fargs_(nb::borrow(PyTuple_GetItem(pair.ptr(), 1))) {}

  [[nodiscard]] std::unique_ptr<detail::pool_inputs> read(detail::byte_reader bytes) const override {
    return std::make_unique<inputs>(*this, read_inputs(bytes));
  }
  void run(const detail::pool_inputs& given, detail::batch_run& tasks, context& self) const override {
    throw_if_unfit();
    const auto& [from, plan] = static_cast<const inputs&>(given);
    worker_calls calls;
    const python_tasks<value, worker_calls> numbered(plan, calls);
    numbered.for_each(tasks.next() - from.first, tasks.end() - from.first, self, [&](std::uint64_t, const auto& call) {
      if (!tasks.begin_task()) return false;
      end_task_with(call(), tasks);
      return true;
    });
  }

 private:
  struct inputs final : detail::pool_inputs {
    inputs(const planned_calls& by, sent_inputs&& sent) : from(std::move(sent)), plan(by.func_, from.what, by.fargs_) {}
    sent_inputs from;
    call_plan plan;
  };

  nb::object func_;
  nb::object fargs_;
};

class single_calls final : public detail::pool_function {
 public:
  explicit single_calls(nb::object func) noexcept : func_(std::move(func)) {}

  [[nodiscard]] std::unique_ptr<detail::pool_inputs> read(detail::byte_reader bytes) const override {
    return std::make_unique<inputs>(read_inputs(bytes).what);
  }
  void run(const detail::pool_inputs& given, detail::batch_run& tasks, context& self) const override {
    throw_if_unfit();
    const running_task here(self);
    if (!tasks.begin_task()) return;
    const nb::object pair = std::move(static_cast<const inputs&>(given).what);  // they are freed after the call
    PyObject* const made = PyObject_Call(func_.ptr(), PyTuple_GET_ITEM(pair.ptr(), 0), PyTuple_GET_ITEM(pair.ptr(), 1));
    if (made == nullptr) throw_packed();
    end_task_with(value(made), tasks);
  }

 private:
  struct inputs final : detail::pool_inputs {
    explicit inputs(nb::object pair) noexcept : what(std::move(pair)) {}
    mutable nb::object what;
  };

  nb::object func_;
};

}  // namespace

std::vector<std::byte> bytes_of_pool_function(pool_call how, nb::bytes pickle) {
  const detail::function_reader reader = read_pool_function;
  std::vector<std::byte> all(sizeof reader + sizeof how + pickle.size());
  std::memcpy(all.data(), &reader, sizeof reader);
  std::memcpy(all.data() + sizeof reader, &how, sizeof how);
  std::memcpy(all.data() + sizeof reader + sizeof how, pickle.c_str(), pickle.size());
  return all;
}

std::unique_ptr<detail::pool_function> read_pool_function(detail::byte_reader bytes) {
  const auto how = number_in<pool_call>(bytes);
  nb::object read = read_function(bytes);
  if (how == pool_call::plan) return std::make_unique<planned_calls>(read);
  return std::make_unique<single_calls>(std::move(read));
}

pool_inputs_writer::pool_inputs_writer(std::uint64_t first, nb::bytes pickle, const nb::list& buffers)
    : first_(first),
      pickle_(std::move(pickle)) {
  for (nb::handle each : buffers) {
    const Py_buffer* const view = PyPickleBuffer_GetBuffer(each.ptr());
    Py_buffer mine{};
    if (view == nullptr || PyObject_GetBuffer(view->obj, &mine, PyBUF_ANY_CONTIGUOUS) != 0) throw nb::python_error();
    buffers_.push_back(mine);
  }
}

pool_inputs_writer::~pool_inputs_writer() {
  for (Py_buffer& each : buffers_) PyBuffer_Release(&each);
}

void pool_inputs_writer::write(detail::byte_writer& to) const {
  const auto put = [&to](std::uint64_t number) { to.write(&number, sizeof number); };
  put(first_);
  put(buffers_.size());
  for (const Py_buffer& each : buffers_) put(static_cast<std::uint64_t>(each.len));
  put(pickle_.size());
  to.write(pickle_.c_str(), pickle_.size());
  for (const Py_buffer& each : buffers_) to.write(each.buf, static_cast<std::size_t>(each.len));
}

}  // namespace parmap::python
