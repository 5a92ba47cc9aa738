// SPDX-License-Identifier: MIT
// Compiles the folder system of libparmap: the kernel and the C library.
#include <parmap/detail/config.hpp>
#include <parmap/detail/system/console.inl.hpp>
#include <parmap/detail/system/entropy.inl.hpp>
#include <parmap/detail/system/file_calls.inl.hpp>
#include <parmap/detail/system/fork_generation.inl.hpp>
#include <parmap/detail/system/fresh_seed.inl.hpp>
#include <parmap/detail/system/inside_worker.inl.hpp>
#include <parmap/detail/system/interrupt_watch.inl.hpp>
#include <parmap/detail/system/number_text.inl.hpp>
#include <parmap/detail/system/process_cores.inl.hpp>
#include <parmap/detail/system/stay_loaded.inl.hpp>
#include <parmap/detail/system/this_process.inl.hpp>
#include <parmap/detail/system/utf8.inl.hpp>
#include <parmap/detail/system/valgrind.inl.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/child_process.inl.hpp>
#include <parmap/detail/system/exit_reports.inl.hpp>
#include <parmap/detail/system/language_runtime.inl.hpp>
#include <parmap/detail/system/linux/cgroup_quota.inl.hpp>
#include <parmap/detail/system/linux/cpu_mask.inl.hpp>
#include <parmap/detail/system/linux/shared_memory.inl.hpp>
#include <parmap/detail/system/loaded_code.inl.hpp>
#include <parmap/detail/system/memory_limit.inl.hpp>
#include <parmap/detail/system/oom_killer.inl.hpp>
#include <parmap/detail/system/process_tree.inl.hpp>
#include <parmap/detail/system/running_map.inl.hpp>
#include <parmap/detail/system/standard_streams.inl.hpp>
#else
#include <parmap/detail/system/portable/parking_lot.inl.hpp>
#endif
