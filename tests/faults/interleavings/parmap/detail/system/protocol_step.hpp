// SPDX-License-Identifier: MIT
// Replaces the library's header of this name: before a step the running process gives way to the search.
#pragma once

#include <parmap/detail/config.hpp>

#include <source_location>
#include <string_view>

namespace interleavings {

enum class touch : unsigned char { act, look };

void arrive(const char* name, touch what) noexcept;

}  // namespace interleavings

namespace parmap::inline PARMAP_ABI::detail {

enum class moment { before, after };

// The name of a step. A step in a function named get only loads; the constructor looks at the caller's name.
struct named_step {
  // Not explicit: the library passes only the name.
  consteval named_step(const char* step,  // NOLINT(google-explicit-constructor)
                       std::source_location at = std::source_location::current())
      : name(step),
        what(std::string_view(at.function_name()).find("::get(") != std::string_view::npos
                 ? interleavings::touch::look
                 : interleavings::touch::act) {}
  const char* name;
  interleavings::touch what;
};

// The code after a step belongs to that step: it touches nothing shared before the next step.
inline void step(named_step one, moment when) noexcept {
  if (when == moment::before) interleavings::arrive(one.name, one.what);
}

}  // namespace parmap::inline PARMAP_ABI::detail
