// SPDX-License-Identifier: MIT
// python_stream: one stream of Python, as its object (stream_type.cpp) uses it, and what an engine gives to it.
#pragma once

#include "python_map.hpp"
#include "shared_object.hpp"
#include "stream_feed.hpp"
#include "task_value.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/stream_state.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::python {

/// What retry_if has raised in the process that watches the workers, as parmap._errors.describe() packs it.
struct noted_error {
  static constexpr std::size_t most = 60'000;

  std::atomic<std::size_t> size{0};
  std::array<char, most> bytes;
};

/// What a stream and its engine use. With threads it may outlive the stream; the last user frees it, with the GIL held.
struct stream_parts {
  stream_parts(request&& of, std::unique_ptr<stream_feed> first);

  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept {
    if (feed && plan.size() != 0) return std::nullopt;
    return plan.size();
  }

  request asked;
  std::vector<nanobind::object> keep{};  // what handles refer to
  std::unique_ptr<stream_feed> feed;     // null if all inputs were there from the start
  call_plan plan;
  lookout watch;
  std::stop_source stop{};
  std::optional<shared_object<noted_error>> noted{};
};

/// The outcomes of an engine. Used by the thread that reads the stream, with the GIL held.
class stream_engine : public detail::outcome_source<task_value> {
 public:
  /// The exception that a task of this process has raised; None if it is to be found in the words of its failure.
  [[nodiscard]] virtual nanobind::object take_raised(std::uint64_t /*task*/) { return nanobind::none(); }
  virtual int traverse(visitproc /*visit*/, void* /*arg*/) const { return 0; }
};

/// `chosen`: the stream's own, which lives as long as the engine.
std::unique_ptr<stream_engine> open_serial_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                  nanobind::handle scope);
std::unique_ptr<stream_engine> open_thread_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                  const thread_needs& needs);
std::unique_ptr<stream_engine> open_process_stream(const std::shared_ptr<stream_parts>& parts, const options& chosen,
                                                   const process_needs& needs);

/// An outcome, as Python gets it.
struct taken_outcome {
  std::uint64_t index{};
  PyObject* value{};           ///< a new reference; null: see `failure`
  nanobind::object failure{};  ///< as told_of() gives it
  nanobind::object raised{};   ///< see stream_engine
  unsigned attempts{};
  std::optional<double> seconds{};
  std::optional<unsigned> worker{};
};

class python_stream final : public detail::stream_state<task_value> {
 public:
  explicit python_stream(std::shared_ptr<stream_parts> parts);
  ~python_stream() override { close(); }

  /// Once, before anything is read. Throws what keeps the stream from beginning.
  void begin_on(std::unique_ptr<stream_engine> engine);

  /// Waits for an outcome, at most for `patience`. Throws what ends the stream.
  detail::arrival take(taken_outcome& to, std::chrono::nanoseconds patience);
  /// The arguments of the task whose outcome was taken last: a new reference, or null with an exception set.
  [[nodiscard]] PyObject* task(std::uint64_t index) const { return parts_->plan.task(index); }

  /// In the process that watches the workers.
  void note_error(std::string_view bytes) noexcept;
  /// In the caller, when the stream has ended by an error; empty if there was none.
  [[nodiscard]] std::string_view error_elsewhere() const noexcept;
  /// Once it has begun, and before anything is read.
  [[nodiscard]] unsigned workers() const noexcept { return engine_->workers(); }
  [[nodiscard]] const options& options_of() const noexcept { return chosen(); }
  int traverse(visitproc visit, void* arg) const;

 private:
  class watched_engine;

  static options options_for(stream_parts& parts);
  void describe_inputs(failure& why) const noexcept override;

  std::shared_ptr<stream_parts> parts_;
  stream_engine* engine_{};
  mutable std::string message_;  // of the failure that was taken last
};

}  // namespace parmap::python
