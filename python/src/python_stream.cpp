// SPDX-License-Identifier: MIT
#include "python_stream.hpp"

#include "exception_transport.hpp"

#include <parmap/detail/schedule/tick_clock.hpp>

#include <algorithm>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Between two looks at signals and the option stop.
constexpr std::chrono::milliseconds glance{50};

[[noreturn]] void throw_again(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

}  // namespace

stream_parts::stream_parts(request&& of, std::unique_ptr<stream_feed> first)
    : asked(std::move(of)),
      feed(std::move(first)),
      plan(asked.func, asked.axes, asked.fargs, feed.get()),
      watch(asked, size()) {
  if (feed) feed->set_tasks_of_one(plan.tasks_of_one());
}

// The engine's outcomes; between them, what the calling thread has to look at.
class python_stream::watched_engine final : public detail::outcome_source<task_value> {
 public:
  // `known`: the stream's pointer to the engine, which becomes null with it.
  watched_engine(std::shared_ptr<stream_parts> parts, std::unique_ptr<stream_engine> engine, stream_engine*& known)
      : parts_(std::move(parts)),
        engine_(std::move(engine)),
        known_(known) {
    known = engine_.get();
  }
  watched_engine(const watched_engine&) = delete;
  watched_engine& operator=(const watched_engine&) = delete;
  ~watched_engine() override { known_ = nullptr; }

  bool allow(std::uint64_t limit) override { return engine_->allow(limit); }
  void end_at(std::uint64_t tasks) override {
    parts_->watch.set_total(tasks);
    engine_->end_at(tasks);
  }
  void halt() noexcept override { engine_->halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return engine_->workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return engine_->mean_bytes(); }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    if (parts_->feed)
      if (const nb::object error = parts_->feed->take_interrupt(); error.is_valid()) throw_again(error);
    if (const detail::ticks now = detail::now_ticks(); now - looked_ > detail::to_ticks(glance)) look(now);
    const auto how = engine_->next(to, std::min<std::chrono::nanoseconds>(patience, glance));
    if (how == detail::arrival::nothing_yet && patience > patience.zero()) look(detail::now_ticks());
    if (parts_->watch.interrupted()) throw_again(parts_->watch.interrupt());
    return how;
  }

 private:
  void look(detail::ticks now) {
    looked_ = now;
    if (!parts_->watch.no_interrupt()) throw_again(parts_->watch.interrupt());
    if (parts_->watch.asked_to_stop()) parts_->stop.request_stop();
  }

  std::shared_ptr<stream_parts> parts_;
  std::unique_ptr<stream_engine> engine_;
  stream_engine*& known_;
  detail::ticks looked_{};
};

options python_stream::options_for(stream_parts& parts) {
  options chosen = parts.asked.chosen;
  if (!parts.asked.stop.is_none()) chosen.stop = parts.stop.get_token();
  chosen.reporter = report::silent;
  chosen.times = parts.asked.recorder != nullptr;
  if (!parts.asked.report.is_none())
    chosen.reporter = [&parts](const progress& now) {
      parts.watch.show(now.done(), now.failed);
      if (parts.watch.interrupted()) throw_again(parts.watch.interrupt());
    };
  return chosen;
}

python_stream::python_stream(std::shared_ptr<stream_parts> parts)
    : stream_state(options_for(*parts), parts->size(), parts->feed.get()),
      parts_(std::move(parts)) {
  record_by(parts_->asked.recorder);
}

void python_stream::begin_on(std::unique_ptr<stream_engine> engine) {
  begin(std::make_unique<watched_engine>(parts_, std::move(engine), engine_));
  if (parts_->watch.interrupted()) throw_again(parts_->watch.interrupt());
}

void python_stream::describe_inputs(failure& why) const noexcept { message_ = std::exchange(why.message, {}); }

detail::arrival python_stream::take(taken_outcome& to, std::chrono::nanoseconds patience) {
  message_.clear();
  const detail::arrival how = next(patience);
  if (how != detail::arrival::outcome) return how;
  detail::ended_task<task_value>& got = current();
  to.index = got.result.index;
  to.attempts = got.attempts;
  if (got.worker != detail::never_ran) to.worker = got.worker;
  if (got.spent != 0) to.seconds = static_cast<double>(got.spent) / detail::ticks_per_us() / 1e6;
  if (got.result.outcome) {
    to.value = got.result.outcome->release();
  } else {
    failure why = got.result.outcome.error();
    if (!message_.empty()) why.message = message_;
    to.failure = told_of(why);
  }
  to.raised = engine_->take_raised(to.index);
  return how;
}

void python_stream::note_error(std::string_view bytes) noexcept {
  if (!parts_->noted || bytes.size() > noted_error::most) return;
  std::ranges::copy(bytes, (*parts_->noted)->bytes.begin());
  (*parts_->noted)->size.store(bytes.size());
}

std::string_view python_stream::error_elsewhere() const noexcept {
  if (!parts_->noted) return {};
  const noted_error& it = **parts_->noted;
  return {it.bytes.data(), std::min(it.size.load(), noted_error::most)};
}

int python_stream::traverse(visitproc visit, void* arg) const {
  const request& asked = parts_->asked;
  for (const nb::object* each : {&asked.func, &asked.axes, &asked.fargs, &asked.report, &asked.setup, &asked.stop})
    Py_VISIT(each->ptr());
  for (const nb::object& each : parts_->keep) Py_VISIT(each.ptr());
  if (parts_->feed)
    if (const int found = parts_->feed->traverse(visit, arg); found != 0) return found;
  return engine_ == nullptr ? 0 : engine_->traverse(visit, arg);
}

}  // namespace parmap::python
