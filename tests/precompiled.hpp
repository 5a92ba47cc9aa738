// SPDX-License-Identifier: MIT
// What nearly every test includes, for the compiler to read once: tests/CMakeLists.txt has it precompiled.
#pragma once

#include "engines.hpp"
#include "leftovers.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>
