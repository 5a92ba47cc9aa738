// SPDX-License-Identifier: MIT
// pool_maps: parmap() on a pool.
#pragma once

#include "python_pool.hpp"

#include <nanobind/nanobind.h>

#include <memory>

namespace parmap::python {

/// Runs a map whose values go to places of the list asked.values, which has one for each task. `function`: the pickle
/// of (func, fargs). `next_inputs(first, bytes)` gives the next tasks: (their number, pickle, buffers), see
/// pool_inputs_writer. Returns as run_multi does. Throws what ends the pool.
nanobind::object run_pool(python_pool& pool, const request& asked, nanobind::bytes function,
                          nanobind::handle next_inputs);

}  // namespace parmap::python
