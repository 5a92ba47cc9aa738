// SPDX-License-Identifier: MIT
// Where the trace of a map goes: options::trace, or a file in the folder that the environment variable PARMAP_TRACE
// names.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/options.hpp>

#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// The variable at the first call of this process; empty: it is not set.
[[nodiscard]] PARMAP_API const std::string& trace_folder();

// Whether the map has a trace.
[[nodiscard]] inline bool is_traced(const options& chosen) { return !chosen.trace.empty() || !trace_folder().empty(); }

// A new path in this folder, with the program's name, the pid and a number. Empty inside a task, and beyond the first
// 1000 traces of a process: a program may call a map a million times.
[[nodiscard]] PARMAP_API std::string new_trace_in(const std::string& folder);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/trace_path.inl.hpp>
#endif
