// SPDX-License-Identifier: MIT
// Compiles the folder stores of libparmap: maps whose outcomes are kept.
#include <parmap/detail/stores/interrupt_scope.inl.hpp>
#include <parmap/detail/stores/part_options.inl.hpp>
#include <parmap/detail/stores/plain_json.inl.hpp>
#include <parmap/detail/stores/store_run.inl.hpp>
#include <parmap/detail/stores/stored_map.inl.hpp>
#include <parmap/detail/stores/stored_order.inl.hpp>
#include <parmap/detail/stores/stored_value.inl.hpp>
