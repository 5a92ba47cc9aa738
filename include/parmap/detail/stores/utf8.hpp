// SPDX-License-Identifier: MIT
// utf8: whether bytes are UTF-8, and its characters.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// No overlong form, no half of a surrogate, nothing above U+10FFFF.
[[nodiscard]] PARMAP_API bool is_utf8(std::string_view text) noexcept;
// The first character of a text that is UTF-8 and not empty, which then begins behind it.
[[nodiscard]] PARMAP_API std::uint32_t take_utf8(std::string_view& text) noexcept;
// `character`: at most U+10FFFF, and no surrogate.
PARMAP_API void append_utf8(std::string& to, std::uint32_t character);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/utf8.inl.hpp>
#endif
