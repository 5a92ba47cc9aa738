// SPDX-License-Identifier: MIT
// The version of parmap. CMake reads it from here; it is defined nowhere else.
#pragma once

// For example: #if PARMAP_VERSION_MAJOR > 0 || PARMAP_VERSION_MINOR >= 2
#define PARMAP_VERSION_MAJOR 0
#define PARMAP_VERSION_MINOR 1
#define PARMAP_VERSION_PATCH 0
