// SPDX-License-Identifier: MIT
// json_text: strings and numbers as JSON.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Appends the text in quotes. Bytes that are no UTF-8 become U+FFFD.
void add_json(std::string& to, std::string_view text);
void add_json(std::string& to, std::uint64_t x);
// With so many digits behind the point, for any locale. What JSON cannot say becomes null.
void add_json_real(std::string& to, double x, int digits = 3);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/json_text.inl.hpp>
#endif
