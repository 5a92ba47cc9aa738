// SPDX-License-Identifier: MIT
// The version: this is its one home; CMake reads it from here.
#pragma once

#define PARMAP_VERSION_MAJOR 0
#define PARMAP_VERSION_MINOR 1
#define PARMAP_VERSION_PATCH 0
