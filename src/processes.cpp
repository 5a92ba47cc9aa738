// SPDX-License-Identifier: MIT
// Compiles the folder processes of libparmap: maps and streams on forked workers.
#include <parmap/detail/processes/inputs_by_child.inl.hpp>
#include <parmap/detail/processes/multi_run.inl.hpp>
#include <parmap/detail/processes/multi_stream.inl.hpp>
#include <parmap/detail/processes/process_tasks.inl.hpp>
