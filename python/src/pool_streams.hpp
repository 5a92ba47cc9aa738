// SPDX-License-Identifier: MIT
// pool_streams: a stream on a pool.
#pragma once

#include "python_pool.hpp"
#include "python_stream.hpp"

#include <nanobind/nanobind.h>

#include <memory>

namespace parmap::python {

/// `function`: the pickle of (func, fargs). `next_inputs(first)` gives the next tasks: (their number, pickle, buffers);
/// of an input that is read as the stream goes, next_inputs(count, elements) does.
std::unique_ptr<stream_engine> open_pool_stream(pool_holder pool, const std::shared_ptr<stream_parts>& parts,
                                                const options& chosen, nanobind::bytes function,
                                                nanobind::object next_inputs);

}  // namespace parmap::python
