// SPDX-License-Identifier: MIT
// The bodies of written_file.hpp.
#pragma once

#include <parmap/detail/system/file_calls.hpp>
#include <parmap/detail/traces/written_file.hpp>

#include <exception>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::error_code begin_file(const std::string& path) noexcept {
  return write_file(path, file_start::fresh, {});
}

PARMAP_INLINE std::error_code append_to_file(const std::string& path, std::string_view text) noexcept {
  return write_file(path, file_start::at_end, text);
}

PARMAP_INLINE std::error_code replace_file(const std::string& path, std::string_view text) noexcept {
  try {
    const std::string fresh = path + ".tmp";
    if (const std::error_code why = write_file(fresh, file_start::fresh, text)) return why;
    return move_file(fresh, path);
  } catch (const std::exception&) {  // std::bad_alloc, of the longer path
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
