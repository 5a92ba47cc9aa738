// SPDX-License-Identifier: MIT
// The bodies of written_file.hpp.
#pragma once

#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/traces/written_file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::error_code last_system_error() noexcept { return {errno, std::generic_category()}; }

PARMAP_INLINE std::error_code write_file(const std::string& path, int flags, std::string_view text) noexcept {
  file_descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, 0666));
  if (file.get() < 0) return last_system_error();
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written >= 0) text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR) return last_system_error();
  }
  const int fd = file.get();
  file.release();
  // Some file systems tell only now that the disk is full. After EINTR it is closed, too.
  return ::close(fd) == 0 || errno == EINTR ? std::error_code() : last_system_error();
}

PARMAP_INLINE std::error_code begin_file(const std::string& path) noexcept {
  return write_file(path, O_CREAT | O_TRUNC, {});
}

PARMAP_INLINE std::error_code append_to_file(const std::string& path, std::string_view text) noexcept {
  return write_file(path, O_APPEND, text);
}

PARMAP_INLINE std::error_code replace_file(const std::string& path, std::string_view text) noexcept {
  try {
    const std::string fresh = path + ".tmp";
    if (const std::error_code why = write_file(fresh, O_CREAT | O_TRUNC, text)) return why;
    return std::rename(fresh.c_str(), path.c_str()) == 0 ? std::error_code() : last_system_error();
  } catch (const std::exception&) {  // std::bad_alloc, of the longer path
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
