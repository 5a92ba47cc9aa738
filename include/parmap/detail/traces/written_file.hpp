// SPDX-License-Identifier: MIT
// A file that grows while a map runs, and a file that is replaced as a whole.
#pragma once

#include <parmap/detail/config.hpp>

#include <string>
#include <string_view>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

// Makes an empty file.
[[nodiscard]] std::error_code begin_file(const std::string& path) noexcept;
// Appends to it. The file is open only meanwhile: so nothing is written elsewhere if the program closes descriptors
// that are not its own, and other machines see the text (NFS tells them at the closing).
[[nodiscard]] std::error_code append_to_file(const std::string& path, std::string_view text) noexcept;
// Whoever opens the path sees the old text or the new one, also over NFS. What is left of an interrupted call is the
// file path.tmp.
[[nodiscard]] std::error_code replace_file(const std::string& path, std::string_view text) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/written_file.inl.hpp>
#endif
