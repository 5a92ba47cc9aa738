// SPDX-License-Identifier: MIT
// The protocol's own code under every order of its steps and every place of death, for small sizes.
#include "weave/run.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

class weave_test : public ::testing::TestWithParam<weave::plan> {};

TEST_P(weave_test, loses_nothing_and_runs_nothing_twice) { EXPECT_EQ(weave::run(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(every_order, weave_test, ::testing::ValuesIn(weave::quick_plans()),
                         [](const auto& each) { return each.param.text('_', '_'); });

}  // namespace
