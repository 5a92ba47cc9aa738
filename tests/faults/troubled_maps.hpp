// SPDX-License-Identifier: MIT
// Small maps with every kind of failure in them, for tests in which the process itself is in trouble.
#pragma once

#include "engines.hpp"
#include "run_in_child.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>

// Runs maps in which one task is killed, one exits and one throws. All others must have their values, plain and
// encoded.
inline void check_map(const parmap::options& chosen = {}) {
  const auto f = [](int i) {
    if (i == 5) ::raise(SIGKILL);
    if (i == 7) std::exit(3);
    if (i == 90) throw std::runtime_error("thrown");
    return 2 * i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), chosen);
  check_all(all, 100, {5, 7, 90});
  require(all.failures()[0].kind == parmap::failure::crashed, to_string(all.failures()[0]));
  require(all.failures()[1].kind == parmap::failure::exited, to_string(all.failures()[1]));
  require_part("thrown", all.failures()[2].message);

  const auto words = parmap::map([&](int i) { return std::to_string(f(i)); }, std::views::iota(0, 100), chosen);
  require(words.failures().size() == 3, "encoded results");
  for (std::uint64_t i = 0; i < 100; ++i)
    if (const auto* word = words.get_if(i)) require(*word == std::to_string(2 * i), "the value of " + *word);
}

// Runs a map in which one task hangs beside others that must have their values.
inline void check_late(parmap::options chosen = {}) {
  const auto f = [](int i) {
    while (i == 9) ::pause();
    return 2 * i;
  };
  chosen.timeout = std::chrono::milliseconds(300);
  const auto all = parmap::map(f, std::views::iota(0, 20), chosen);
  check_all(all, 20, {9});
  require(all.failures()[0].kind == parmap::failure::timed_out, to_string(all.failures()[0]));
}
