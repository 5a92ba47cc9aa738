// SPDX-License-Identifier: MIT
// Compiles the folder threads of libparmap: maps and streams in this process.
#include <parmap/detail/threads/serial_run.inl.hpp>
#include <parmap/detail/threads/serial_stream.inl.hpp>
#include <parmap/detail/threads/threads_run.inl.hpp>
#include <parmap/detail/threads/threads_stream.inl.hpp>
