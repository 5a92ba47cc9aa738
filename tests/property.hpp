// SPDX-License-Identifier: MIT
// Runs a rapidcheck property inside a GoogleTest test, with a fixed seed that rapidcheck prints. RC_PARAMS overrides
// it.
#pragma once

#include <gtest/gtest.h>

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <utility>

template <class Property>
void check_property(Property&& property) {
  ::setenv("RC_PARAMS", "seed=20260101", 0);  // read at the first property of the process
  rc::detail::checkGTest(std::forward<Property>(property));
}
