// SPDX-License-Identifier: MIT
// Compiles the folder traces of libparmap: trace and status files.
#include <parmap/detail/traces/json_text.inl.hpp>
#include <parmap/detail/traces/map_account.inl.hpp>
#include <parmap/detail/traces/map_recorder.inl.hpp>
#include <parmap/detail/traces/map_watch.inl.hpp>
#include <parmap/detail/traces/status_text.inl.hpp>
#include <parmap/detail/traces/stream_record.inl.hpp>
#include <parmap/detail/traces/trace_events.inl.hpp>
#include <parmap/detail/traces/trace_path.inl.hpp>
#include <parmap/detail/traces/written_file.inl.hpp>
