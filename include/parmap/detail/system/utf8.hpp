// SPDX-License-Identifier: MIT
// utf8: whether bytes are UTF-8, and its characters.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// The number of bytes of the character that begins at text[at]; 0 if there is none: no overlong form, no half of a
// surrogate, nothing above U+10FFFF.
[[nodiscard]] std::size_t length_of_character(std::string_view text, std::size_t at) noexcept;
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
// The first character of a text that is UTF-8 and not empty, which then begins behind it.
[[nodiscard]] std::uint32_t take_character(std::string_view& text) noexcept;
// `character`: at most U+10FFFF, and no surrogate.
void append_character(std::string& to, std::uint32_t character);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/utf8.inl.hpp>
#endif
