// SPDX-License-Identifier: MIT
// The engines the suites run over, and what differs between them: one line each.
#pragma once

#ifdef PARMAP_SINGLE_HEADER
#include <parmap.hpp>
#else
#include <parmap/parmap.hpp>
#endif

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

namespace engines {

struct serial {
  static constexpr auto& engine = parmap::serial;
};
struct threads {
  static constexpr auto& engine = parmap::threads;
};
struct multi {
  static constexpr auto& engine = parmap::multi;
};
struct named {
  static inline const auto engine = parmap::engine_named("multi");
};

using all = ::testing::Types<serial, threads, multi, named>;
// Those that skip failed tasks instead of halting.
using skipping = ::testing::Types<threads, multi, named>;
// Those that run tasks in this process.
using in_process = ::testing::Types<serial, threads>;

struct names {
  template <class Engine>
  static std::string GetName(int) {
    return (std::is_same_v<Engine, named> ? "named_" : "") + std::string(Engine::engine.name());
  }
};

}  // namespace engines
