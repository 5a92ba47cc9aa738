// SPDX-License-Identifier: MIT
// Reads files and numbers from /proc.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Reads the text of a file, zero-terminated; text that does not fit is cut off. False, with errno, if it cannot be
// read.
template <std::size_t Size>
bool read_file(const char* path, std::array<char, Size>& text) noexcept {
  const file_descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return false;
  std::size_t size = 0;
  while (size < Size - 1) {
    const ssize_t got = ::read(file.get(), text.data() + size, Size - 1 - size);
    if (got < 0) return false;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text[size] = '\0';
  return true;
}

// The whole text of a file; empty if it cannot be read.
inline std::string text_of_file(const std::string& path) {
  std::string text;
  const file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = file.get() < 0 ? 0 : ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

// The number after the first `name` in text.
inline std::optional<long long> number_after(const char* name, const char* text) noexcept {
  const char* const found = std::strstr(text, name);
  if (found == nullptr) return std::nullopt;
  return std::strtoll(found + std::strlen(name), nullptr, 10);
}

// The number of threads of a process; 0 if /proc does not tell.
inline unsigned threads_of(pid_t process) noexcept {
  std::array<char, 64> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%d/task", process));
  const std::unique_ptr<DIR, int (*)(DIR*)> threads(::opendir(path.data()), ::closedir);
  unsigned count = 0;
  if (threads)
    while (const dirent* const each = ::readdir(threads.get())) count += each->d_name[0] != '.';
  return count;
}

// Whether /proc uses the same pids as this process: it may be absent, or belong to another pid namespace.
inline bool proc_is_ours() noexcept {
  std::array<char, 32> self{};
  const ssize_t got = ::readlink("/proc/self", self.data(), self.size() - 1);
  return got > 0 && std::atoi(self.data()) == ::getpid();
}

}  // namespace parmap::inline PARMAP_ABI::detail
