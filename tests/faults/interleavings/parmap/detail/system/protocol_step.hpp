// SPDX-License-Identifier: MIT
// In place of the library's: before a step the running process gives way to the explorer.
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

// A name, and by the function it stands in whether the step only looks.
struct named_step {
  // Not explicit: the library hands over the name alone.
  consteval named_step(const char* step,  // NOLINT(google-explicit-constructor)
                       std::source_location at = std::source_location::current())
      : name(step),
        what(std::string_view(at.function_name()).find("::get(") != std::string_view::npos
                 ? interleavings::touch::look
                 : interleavings::touch::act) {}
  const char* name;
  interleavings::touch what;
};

// What follows a step belongs to it: nothing shared is touched before the next one.
inline void step(named_step one, moment when) noexcept {
  if (when == moment::before) interleavings::arrive(one.name, one.what);
}

}  // namespace parmap::inline PARMAP_ABI::detail
