// SPDX-License-Identifier: MIT
// Compiles the folder space of libparmap: index spaces.
#include <parmap/detail/space/axis_keys.inl.hpp>
#include <parmap/detail/space/part.inl.hpp>
#include <parmap/detail/space/task_part.inl.hpp>
