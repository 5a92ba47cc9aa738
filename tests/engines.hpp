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
struct named_serial {
  static inline const auto engine = parmap::engine_named("serial");
};
struct named_threads {
  static inline const auto engine = parmap::engine_named("threads");
};
struct named_multi {
  static inline const auto engine = parmap::engine_named("multi");
};

using all = ::testing::Types<serial, threads, multi, named_serial, named_threads, named_multi>;
// Those that skip failed tasks instead of halting.
using skipping = ::testing::Types<threads, multi, named_threads, named_multi>;
// Those that run tasks in this process.
using in_process = ::testing::Types<serial, threads>;

struct names {
  template <class Engine>
  static std::string GetName(int) {
    if constexpr (std::is_same_v<Engine, named_serial> || std::is_same_v<Engine, named_threads> ||
                  std::is_same_v<Engine, named_multi>)
      return "named_" + std::string(Engine::engine.name());
    else return std::string(Engine::engine.name());
  }
};

}  // namespace engines
