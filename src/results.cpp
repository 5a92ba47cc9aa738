// SPDX-License-Identifier: MIT
// Compiles the folder results of libparmap: values and failures.
#include <parmap/detail/results/csv_text.inl.hpp>
#include <parmap/detail/results/exception_message.inl.hpp>
#include <parmap/detail/results/failure.inl.hpp>
#include <parmap/detail/results/failure_causes.inl.hpp>
#include <parmap/detail/results/failure_runs.inl.hpp>
#include <parmap/detail/results/input_text.inl.hpp>
#include <parmap/detail/results/options.inl.hpp>
#include <parmap/detail/results/results.inl.hpp>
#include <parmap/detail/results/summary.inl.hpp>
#include <parmap/detail/results/task_tally.inl.hpp>
#include <parmap/detail/results/summary_times.inl.hpp>
#include <parmap/detail/results/value_places.inl.hpp>
