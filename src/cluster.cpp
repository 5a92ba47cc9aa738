// SPDX-License-Identifier: MIT
// Compiles the folder cluster of libparmap: maps that several ranks call together. What carries their messages (MPI) is
// not in it.
#include <parmap/detail/cluster/call_facts.inl.hpp>
#include <parmap/detail/cluster/call_records.inl.hpp>
#include <parmap/detail/cluster/cluster_call.inl.hpp>
#include <parmap/detail/cluster/cluster_map.inl.hpp>
#include <parmap/detail/cluster/granted_ranges.inl.hpp>
#include <parmap/detail/cluster/node_plan.inl.hpp>
