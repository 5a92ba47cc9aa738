// SPDX-License-Identifier: MIT
// A stream on forked workers, which a process of its own forks and watches.
#include "python_stream.hpp"
#include "shared_object.hpp"
#include "value_outlet.hpp"
#include "worker_setup.hpp"

#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// The calls of the stream's own thread, and what it forks, find the stream's state; other maps of the thread do not.
class as_current {
 public:
  explicit as_current(const map_of_thread& mine) noexcept : outer_(std::exchange(current_map, mine)) {}
  as_current(const as_current&) = delete;
  as_current& operator=(const as_current&) = delete;
  ~as_current() { current_map = outer_; }

 private:
  map_of_thread outer_;
};

// The tasks as a worker runs them; see detail::streamed_tasks_of.
class streamed_tasks final : public detail::process_tasks {
 public:
  using numbered = python_tasks<value, worker_calls>;

  streamed_tasks(const numbered& tasks, const large_buffer_file& buffers)
      : process_tasks(tasks.size(), {detail::slot_kind::none, 0}),
        tasks_(tasks),
        buffers_(buffers) {}

  void run(detail::worker_chunk& chunk, context& self) const override {
    tasks_.for_each(chunk.next(), chunk.end(), self, [&](std::uint64_t i, const auto& call) {
      chunk.begin_task(self);
      const value made = call();
      send_value(chunk.outlet(), i, chunk.attempt(), made, buffers_);
      chunk.end_task();
      return true;
    });
  }

 private:
  const numbered& tasks_;
  const large_buffer_file& buffers_;
};

class process_engine final : public stream_engine {
 public:
  process_engine(std::shared_ptr<stream_parts> parts, const options& chosen, const process_needs& needs)
      : parts_(std::move(parts)),
        most_(chosen.workers != 0 ? chosen.workers : detail::usable_cores()) {
    const call_out here;
    parts_->noted.emplace();
    setup_.emplace(parts_->asked, needs,
                   static_cast<unsigned>(std::clamp<std::uint64_t>(parts_->size().value_or(most_), 1, most_)),
                   parts_->watch, buffers_);
    setup_->count_cut_off_in(*cut_offs_);
    transport_.emplace(needs.pickling, needs.scalar_types, buffers_, [this](const nb::object& error) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
      nb::object interrupt = forget_failure();
      const bool is_one = interrupt.is_valid();
      if (is_one) parts_->watch.set_interrupt(std::move(interrupt));
      return is_one;
    });
    mine_ = current_map;
    elements_.emplace(parts_->feed.get());
    processes_.emplace(tasks_, chosen, parts_->size(), parts_->feed ? &*elements_ : nullptr, true);
    taker_.emplace(*processes_);
  }
  process_engine(const process_engine&) = delete;
  process_engine& operator=(const process_engine&) = delete;
  ~process_engine() override {
    const call_out here;
    current_map = mine_;
    PyThreadState* const thread = PyEval_SaveThread();
    processes_.reset();
    unless_python_ends([thread] { PyEval_RestoreThread(thread); });
    if (setup_ && setup_->was_cut_off()) {
      const nb::object told = setup_->cut_off();
      if (PyList_Append(parts_->asked.ends.ptr(), told.ptr()) != 0) PyErr_WriteUnraisable(parts_->asked.ends.ptr());
    }
    transport_.reset();
    setup_.reset();
  }

  bool allow(std::uint64_t limit) override { return processes_->allow(limit); }
  void end_at(std::uint64_t tasks) override { processes_->end_at(tasks); }
  void halt() noexcept override { processes_->halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return processes_->workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override {
    const std::uint64_t in_rings = taker_->mean_bytes();
    return came_ == 0 ? in_rings : in_rings + buffers_.mapped() / came_;
  }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    const as_current here(mine_);
    const auto how = taker_->next(to, patience, [this](detail::byte_reader bytes) { return read(bytes); });
    if (how == detail::arrival::outcome) ++came_;
    return how;
  }

 private:
  outcome<task_value> read(detail::byte_reader bytes) const {
    decoder in(bytes);
    task_value made(transport_->decode(in));
    bytes.expect_end();
    return made;
  }

  std::shared_ptr<stream_parts> parts_;
  unsigned most_;
  fork_counter::stream counted_;
  large_buffer_file buffers_{large_buffer_file::owner::stream};
  shared_object<worker_setup::cut_offs> cut_offs_;
  std::optional<worker_setup> setup_;
  std::optional<value_transport> transport_;
  map_of_thread mine_;
  worker_calls calls_;
  streamed_tasks::numbered numbered_{parts_->plan, calls_};
  streamed_tasks tasks_{numbered_, buffers_};
  std::optional<detail::elements_annex> elements_;
  std::optional<detail::stream_processes> processes_;
  std::optional<detail::outcome_taker> taker_;
  std::uint64_t came_{};
};

}  // namespace

std::unique_ptr<stream_engine> open_process_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                   const process_needs& needs) {
  return std::make_unique<process_engine>(parts, chosen, needs);
}

}  // namespace parmap::python
