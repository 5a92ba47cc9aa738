// SPDX-License-Identifier: MIT
// Explores a plan, prints how many states it has, and checks that the events it exists for occurred in some of them.
#pragma once

#include "search.hpp"

#include <chrono>
#include <iostream>
#include <string>

namespace interleavings {

// Returns an empty string, or what is wrong.
inline std::string run(const plan& chosen) {
  const auto began = std::chrono::steady_clock::now();
  const search::outcome seen = search(chosen).run();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
  std::cout << chosen.text() << ": " << seen.states << " states, " << seen.transitions << " transitions, " << seen.ends
            << " ends, " << spent.count() << " s\n"
            << std::flush;
  if (!seen.bad.empty()) return seen.bad;
  const bool deadly = chosen.deaths != 0;
  const bool throws = chosen.throwing != 0;
  unsigned due = 0;
  if (deadly) due |= repaired | handed_back;
  if (chosen.deaths > chosen.retries || (deadly && throws)) due |= blame;
  if (chosen.retries > 0 && (deadly || throws)) due |= retried;
  if (throws) due |= published;
  if (chosen.halt != 0 || chosen.max_failures != 0) due |= unclaimed;
  if (chosen.looks != 0) due |= looked;
  if (chosen.window != 0) due |= slept;
  if (chosen.window != 0 && throws) due |= sent;
  if (chosen.window != 0 && deadly) due |= sent_and_died;
  if (chosen.window != 0 && (chosen.endless != 0 || chosen.window < chosen.tasks)) due |= waited;
  if (chosen.postpones != 0) due |= postponed | put_back | waited;
  return (due & ~seen.sighted) == 0 ? "" : "never seen to happen: sights " + std::to_string(due & ~seen.sighted);
}

}  // namespace interleavings
