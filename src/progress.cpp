// SPDX-License-Identifier: MIT
// Compiles the folder progress of libparmap: what is shown.
#include <parmap/detail/progress/lazy_meter.inl.hpp>
#include <parmap/detail/progress/progress_meter.inl.hpp>
#include <parmap/detail/progress/progress_text.inl.hpp>
#include <parmap/detail/progress/summary_line.inl.hpp>
#include <parmap/detail/progress/terminal.inl.hpp>
