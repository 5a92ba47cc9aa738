// SPDX-License-Identifier: MIT
// A slice of results as a Python object: a writable buffer whose memory is released with its last view.
#pragma once

#include "large_buffer_file.hpp"

#include <nanobind/nanobind.h>

namespace parmap::python {

/// Creates the type. Call it before the first map, with the GIL held.
void install_buffers();

/// Returns a memoryview of the slice. Throws nanobind::python_error.
[[nodiscard]] nanobind::object view_of(slice bytes);

}  // namespace parmap::python
