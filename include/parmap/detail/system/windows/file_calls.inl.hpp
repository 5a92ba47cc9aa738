// SPDX-License-Identifier: MIT
// The bodies of file_calls.hpp on Windows. Paths are in the program's code page, as those of std::fopen.
#pragma once

#include <parmap/detail/system/file_calls.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::error_code write_file(const std::string& path, file_start start, std::string_view text) noexcept {
  constexpr std::size_t most = 1 << 20;  // of one write
  const auto last_error = [] { return std::error_code(errno, std::generic_category()); };
  const int flags = start == file_start::fresh ? _O_CREAT | _O_TRUNC : _O_APPEND;
  const int file = ::_open(path.c_str(), _O_WRONLY | _O_BINARY | _O_NOINHERIT | flags, _S_IREAD | _S_IWRITE);
  if (file < 0) return last_error();
  std::error_code result;
  while (!text.empty() && !result) {
    const int written = ::_write(file, text.data(), static_cast<unsigned>(std::min(text.size(), most)));
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    else result = last_error();
  }
  if (::_close(file) != 0 && !result) result = last_error();
  return result;
}

// While another program reads the old file it cannot be replaced, so this tries for a tenth of a second.
PARMAP_INLINE std::error_code move_file(const std::string& from, const std::string& to) noexcept {
  constexpr int most_attempts = 20;
  for (int attempt = 1;; ++attempt) {
    if (::MoveFileExA(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING) != 0) return {};
    const DWORD why = ::GetLastError();
    const bool may_pass = why == ERROR_ACCESS_DENIED || why == ERROR_SHARING_VIOLATION;
    if (!may_pass || attempt == most_attempts)
      return std::make_error_code(may_pass ? std::errc::permission_denied : std::errc::io_error);
    ::Sleep(5);
  }
}

PARMAP_INLINE void make_folder(const std::string& path) noexcept { static_cast<void>(::_mkdir(path.c_str())); }

PARMAP_INLINE std::string absolute_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> all(::_fullpath(nullptr, path.c_str(), 0), &std::free);
  return all == nullptr ? path : std::string(all.get());
}

}  // namespace parmap::inline PARMAP_ABI::detail
