// SPDX-License-Identifier: MIT
// What the files share that make the module parmap._parmap.
#pragma once

#include "python_map.hpp"

#include <nanobind/nanobind.h>

namespace parmap::python {

/// Reads a parmap._arguments.Request.
request request_of(nanobind::handle from);

/// Adds the functions of streams.
void bind_streams(nanobind::module_& m);
/// Adds the functions of pools.
void bind_pools(nanobind::module_& m);

}  // namespace parmap::python
