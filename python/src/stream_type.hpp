// SPDX-License-Identifier: MIT
// The Python type of a stream, parmap._parmap.Stream, from which parmap._stream.Stream derives.
#pragma once

#include "python_stream.hpp"

#include <nanobind/nanobind.h>

#include <memory>

namespace parmap::python {

/// Makes the type. `outcome` is the class of outcomes, a subclass of tuple. Call it once.
nanobind::object make_stream_type(nanobind::object outcome);

/// How an object of that type gives its outcomes.
struct stream_form {
  bool bare;   ///< values instead of outcomes
  bool skips;  ///< no value for a failed task; if bare
  bool times;  ///< _note_workers() and, for each outcome, _took() are called
};

/// Call it once for an object of that type, before it is read. Returns the stream.
python_stream& set_stream(nanobind::handle object, std::unique_ptr<python_stream> stream, stream_form form);
/// The stream could not begin.
void forget_stream(nanobind::handle object) noexcept;

}  // namespace parmap::python
