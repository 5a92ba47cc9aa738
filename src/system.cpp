// SPDX-License-Identifier: MIT
// Compiles the folder system of libparmap: the kernel and the C library.
#include <parmap/detail/system/child_process.inl.hpp>
#include <parmap/detail/system/exit_reports.inl.hpp>
#include <parmap/detail/system/fork_generation.inl.hpp>
#include <parmap/detail/system/fresh_seed.inl.hpp>
#include <parmap/detail/system/inside_worker.inl.hpp>
#include <parmap/detail/system/interrupt_watch.inl.hpp>
#include <parmap/detail/system/language_runtime.inl.hpp>
#include <parmap/detail/system/loaded_code.inl.hpp>
#include <parmap/detail/system/memory_limit.inl.hpp>
#include <parmap/detail/system/number_text.inl.hpp>
#include <parmap/detail/system/oom_killer.inl.hpp>
#include <parmap/detail/system/process_tree.inl.hpp>
#include <parmap/detail/system/running_map.inl.hpp>
#include <parmap/detail/system/shared_memory.inl.hpp>
#include <parmap/detail/system/standard_streams.inl.hpp>
#include <parmap/detail/system/stay_loaded.inl.hpp>
#include <parmap/detail/system/utf8.inl.hpp>
#include <parmap/detail/system/valgrind.inl.hpp>
