// SPDX-License-Identifier: MIT
// Runs the protocol's own code in every order of its steps and with a death at each step, for small maps.
#include "interleavings/explore_plan.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

class interleavings_test : public ::testing::TestWithParam<interleavings::plan> {};

TEST_P(interleavings_test, loses_nothing_and_runs_nothing_twice) { EXPECT_EQ(interleavings::run(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(every_order, interleavings_test, ::testing::ValuesIn(interleavings::quick_plans()),
                         [](const auto& each) { return each.param.text('_', '_'); });

}  // namespace
