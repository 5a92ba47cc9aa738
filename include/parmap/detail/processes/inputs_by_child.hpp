// SPDX-License-Identifier: MIT
// The inputs of tasks that ended their worker, written by a child process.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/failure.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// What ended a worker, such as memory that cannot be read, could do the same where the inputs are written; and so could
// the code of the user that writes them. So a child does it: an input that ends it has no text. It has one second for
// all, and writes those of the first 1000 failures. Only failures that ended no worker, with inputs that take no code
// of the user, are written in this process. Nothing is written if no child can be had.
PARMAP_API void write_inputs_by_child(failure_list& failures, const inputs_writer& writer, bool foreign_code) noexcept;

template <class Tasks>
failure_list with_inputs_by_child([[maybe_unused]] const Tasks& tasks, failure_list failures) {
  if constexpr (show_inputs<Tasks>)
    if (!failures.empty())
      write_inputs_by_child(failures, inputs_writer_of(tasks),
                            text_takes_foreign_code(typename Tasks::element_types()));
  return failures;
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/processes/inputs_by_child.inl.hpp>
#endif
