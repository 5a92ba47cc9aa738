// SPDX-License-Identifier: MIT
// The bodies of file_calls.hpp on Linux and macOS.
#pragma once

#include <parmap/detail/system/file_calls.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::error_code last_system_error() noexcept { return {errno, std::generic_category()}; }

PARMAP_INLINE std::error_code write_file(const std::string& path, file_start start, std::string_view text) noexcept {
  const int flags = start == file_start::fresh ? O_CREAT | O_TRUNC : O_APPEND;
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

PARMAP_INLINE std::error_code move_file(const std::string& from, const std::string& to) noexcept {
  return std::rename(from.c_str(), to.c_str()) == 0 ? std::error_code() : last_system_error();
}

PARMAP_INLINE void make_folder(const std::string& path) noexcept { static_cast<void>(::mkdir(path.c_str(), 0777)); }

PARMAP_INLINE std::string absolute_path(const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0), &std::free);
  return here == nullptr ? path : std::string(here.get()) + '/' + path;
}

}  // namespace parmap::inline PARMAP_ABI::detail
