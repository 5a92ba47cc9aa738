// SPDX-License-Identifier: MIT
#include "recorder.hpp"

#include "python_map.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <parmap/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parmap::python {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// The string that the pickle (protocol 4) has at `at`, which moves behind it; none if there is something else.
std::optional<std::string_view> next_string(std::string_view pickle, std::size_t& at) {
  constexpr char memoize = '\x94';
  if (at < pickle.size() && pickle[at] == memoize) ++at;
  if (at >= pickle.size()) return std::nullopt;
  const char opcode = pickle[at++];
  const std::size_t of_size = opcode == '\x8c' ? 1 : opcode == 'X' ? 4 : 0;
  if (of_size == 0 || pickle.size() - at < of_size) return std::nullopt;
  std::size_t size = 0;
  for (std::size_t k = 0; k < of_size; ++k) size |= std::size_t{static_cast<unsigned char>(pickle[at + k])} << 8 * k;
  at += of_size;
  if (pickle.size() - at < size) return std::nullopt;
  at += size;
  return pickle.substr(at - size, size);
}

// What the message of a failure says. One that a worker has packed (_errors.describe) is its type and text.
std::string words_of(const failure& why) {
  std::string_view message = why.message;
  // What C++ says of a death, without its advice, which is for C++.
  if (why.kind == failure::exited) return std::string(message.substr(0, message.find(':')));
  if (why.kind == failure::crashed) return std::string(message.substr(0, message.find(": ")));
  // One that nothing has caught, of serial: the end of its traceback.
  if (message.starts_with("nanobind::")) {
    while (message.ends_with('\n')) message.remove_suffix(1);
    return std::string(message.substr(message.rfind('\n') + 1));
  }
  if (!message.starts_with('\x80')) return std::string(message);
  const std::size_t begin = message.find('(');  // of the tuple
  if (begin == std::string_view::npos || begin > 16) return {};
  std::size_t at = begin + 1;
  const auto type = next_string(message, at);
  if (!type) return {};
  const auto text = next_string(message, at);
  std::string words(*type);
  if (text && !text->empty()) (words += ": ") += *text;
  return words;
}

// The functions of the recorder that ask for a text are called with the GIL held.
detail::record_request record_request_of(std::string trace, std::vector<std::string> status, std::string option,
                                         std::string label, std::string program, std::string engine,
                                         std::optional<std::uint64_t> tasks, std::uint64_t stored, nb::object text,
                                         bool in_calls, bool silent) {
  detail::record_request asked;
  asked.trace = std::move(trace);
  asked.status = std::move(status);
  asked.option = std::move(option);
  asked.about.label = std::move(label);
  asked.about.program = std::move(program);
  asked.about.engine = std::move(engine);
  asked.about.tasks = tasks;
  asked.about.stored = stored;
  asked.texts = in_calls ? detail::text_time::in_calls : detail::text_time::when_told;
  asked.is_silent = silent;
  asked.words = words_of;
  asked.text = [text = std::move(text)](std::uint64_t task) {
    try {
      return nb::cast<std::string>(text(task));
    } catch (const nb::python_error& error) {
      if (error.matches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();  // it is for the map
      throw;
    }
  };
  return asked;
}

class python_recorder {
 public:
  explicit python_recorder(detail::record_request&& asked)
      : it_(std::make_shared<detail::map_recorder>(std::move(asked))) {}

  [[nodiscard]] const std::shared_ptr<detail::map_recorder>& it() const noexcept { return it_; }

  // ---- For engines in Python. `began`: by time.monotonic(), which is this clock.

  void begun(std::uint64_t task, unsigned number, unsigned worker, double began) const {
    it_->begun(at(task, number, worker, began, 0));
  }
  void ended(std::uint64_t task, unsigned number, unsigned worker, double began, double seconds, std::string_view kind,
             std::string message, bool again) const {
    const detail::attempt made = at(task, number, worker, began, seconds);
    if (kind.empty()) return it_->ended(made, {}, nullptr);
    const failure why{task, kind_of(kind), std::move(message), number};
    if (again) it_->failed(made, why);
    else it_->ended(made, {}, &why);
  }

 private:
  static detail::attempt at(std::uint64_t task, unsigned number, unsigned worker, double began, double seconds) {
    using clock = detail::attempt::clock;
    const auto ns = [](double of) { return std::chrono::nanoseconds(static_cast<std::int64_t>(of * 1e9)); };
    return {task, number, worker, clock::time_point(std::chrono::duration_cast<clock::duration>(ns(began))),
            ns(seconds)};
  }
  static failure_kind kind_of(std::string_view name) {
    for (const failure_kind each : {failure::threw, failure::crashed, failure::exited, failure::timed_out,
                                    failure::out_of_memory, failure::unencodable})
      if (to_string(each) == name) return each;
    return failure::stopped;
  }

  std::shared_ptr<detail::map_recorder> it_;
};

}  // namespace

std::shared_ptr<detail::map_recorder> recorder_of(nb::handle from) {
  return from.is_none() ? nullptr : nb::cast<const python_recorder&>(from).it();
}

void bind_recorder(nb::module_& m) {
  nb::class_<python_recorder>(m, "Recorder")
      .def(
          "__init__",
          [](python_recorder* self, std::string trace, std::vector<std::string> status, std::string option,
             std::string label, std::string program, std::string engine, std::optional<std::uint64_t> tasks,
             std::uint64_t stored, nb::object text, bool in_calls, bool silent) {
            new (self) python_recorder(record_request_of(std::move(trace), std::move(status), std::move(option),
                                                         std::move(label), std::move(program), std::move(engine), tasks,
                                                         stored, std::move(text), in_calls, silent));
          },
          "trace"_a, "status"_a, "option"_a, "label"_a, "program"_a, "engine"_a, "tasks"_a.none(), "stored"_a, "text"_a,
          "in_calls"_a, "silent"_a)
      .def("begun", &python_recorder::begun, "task"_a, "number"_a, "worker"_a, "began"_a)
      .def("ended", &python_recorder::ended, "task"_a, "number"_a, "worker"_a, "began"_a, "seconds"_a, "kind"_a = "",
           "message"_a = "", "again"_a = false)
      .def("number_from", [](const python_recorder& self, std::uint64_t first,
                             std::uint64_t step) { self.it()->number_from(first, step); })
      .def("renumber",
           [](const python_recorder& self, std::vector<std::uint64_t> tasks) { self.it()->renumber(std::move(tasks)); })
      .def(
          "set_tasks",
          [](const python_recorder& self, std::uint64_t tasks, std::uint64_t stored) {
            self.it()->set_tasks(tasks, stored);
          },
          "tasks"_a, "stored"_a = 0)
      .def("write_texts", [](const python_recorder& self) { self.it()->write_texts(); })
      .def("finish", [](const python_recorder& self) { self.it()->finish(); })
      .def("abandon", [](const python_recorder& self) { self.it()->abandon(); });
}

}  // namespace parmap::python
