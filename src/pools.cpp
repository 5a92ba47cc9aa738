// SPDX-License-Identifier: MIT
// Compiles the folder pools of libparmap: worker processes that stay.
#include <parmap/detail/pools/pool_dispatcher.inl.hpp>
#include <parmap/detail/pools/pool_map.inl.hpp>
#include <parmap/detail/pools/pool_run.inl.hpp>
#include <parmap/detail/pools/pool_tasks.inl.hpp>
#include <parmap/detail/pools/sent_numbers.inl.hpp>
#include <parmap/detail/pools/sent_store.inl.hpp>
#include <parmap/detail/pools/submitted_tasks.inl.hpp>
