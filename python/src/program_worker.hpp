// SPDX-License-Identifier: MIT
// program_worker: a worker that is a program of its own, of a map or of a pool.
#pragma once

#include "pool_calls.hpp"
#include "python_map.hpp"

#include <nanobind/nanobind.h>

#include <string>

namespace parmap::python {

/// Works for the map that started this program with this `assignment`, until the map ends. `at_go` is called before the
/// first task. `unfit` is the failure of every task, or None. Does not return.
void serve(const request& asked, const process_needs& needs, const std::string& assignment, nanobind::handle at_go,
           nanobind::handle unfit);
/// The same for a pool.
void serve_pool(const request& asked, const process_needs& needs, const pool_readers& readers,
                const std::string& assignment, nanobind::handle at_go, nanobind::handle unfit);

}  // namespace parmap::python
