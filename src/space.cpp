// SPDX-License-Identifier: MIT
// Compiles the folder space of libparmap: index spaces.
#include <parmap/detail/space/axis_keys.inl.hpp>
