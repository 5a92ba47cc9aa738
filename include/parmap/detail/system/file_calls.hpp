// SPDX-License-Identifier: MIT
// Writing a file, and what can be done with its path.
#pragma once

#include <parmap/detail/config.hpp>

#include <string>
#include <string_view>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

enum class file_start { fresh, at_end };

// fresh: makes the file, or empties it. at_end: it must exist. Other programs may read it meanwhile.
[[nodiscard]] std::error_code write_file(const std::string& path, file_start start, std::string_view text) noexcept;
// At once: whoever opens `to` meanwhile finds the old file or the new one.
[[nodiscard]] std::error_code move_file(const std::string& from, const std::string& to) noexcept;
// No effect if there is one, or if it cannot be made.
void make_folder(const std::string& path) noexcept;
// The path itself if the system does not tell.
[[nodiscard]] std::string absolute_path(const std::string& path);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/file_calls.inl.hpp>
#endif
