// SPDX-License-Identifier: MIT
// git_commit: which commit of a git repository is checked out, read from its files, so that no process is started.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

// The text of a small file without the line's end; empty if it cannot be read.
inline std::string first_line_of(const std::filesystem::path& file) {
  std::string text = text_of_file(file.string());
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  return text;
}

// The commit that a reference of git names: a file of that name, or a line in packed-refs.
inline std::string commit_of_reference(const std::filesystem::path& repository, const std::string& reference) {
  std::filesystem::path common = repository;
  if (const std::string other = first_line_of(repository / "commondir"); !other.empty()) common /= other;
  for (const std::filesystem::path& each : {repository, common})
    if (std::string found = first_line_of(each / reference); !found.empty()) return found;
  const std::string packed = "\n" + text_of_file((common / "packed-refs").string());
  const std::size_t at = packed.find(" " + reference + "\n");
  if (at == std::string::npos) return {};
  const std::size_t line = packed.rfind('\n', at) + 1;
  return packed.substr(line, at - line);
}

// That of the repository in which the folder lies; none if there is no repository, or it has no commit.
inline std::optional<std::string> git_commit(std::filesystem::path folder) {
  std::error_code gone;
  for (;; folder = folder.parent_path()) {
    std::filesystem::path repository = folder / ".git";
    if (std::filesystem::exists(repository, gone)) {
      // Of a worktree or a submodule it is a file that names the folder.
      constexpr std::string_view names = "gitdir: ";
      if (const std::string text = first_line_of(repository); text.starts_with(names))
        repository = folder / text.substr(names.size());
      std::string head = first_line_of(repository / "HEAD");
      constexpr std::string_view refers = "ref: ";
      if (head.starts_with(refers)) head = commit_of_reference(repository, head.substr(refers.size()));
      const bool is_commit =
          head.size() >= 40 && head.find_first_not_of("0123456789abcdef") == std::string::npos;  // SHA-1 or SHA-256
      return is_commit ? std::optional(head) : std::nullopt;
    }
    if (!folder.has_relative_path()) return std::nullopt;
  }
}

// Of the working directory.
inline std::optional<std::string> git_commit() {
  std::error_code gone;
  const std::filesystem::path here = std::filesystem::current_path(gone);
  return gone ? std::nullopt : git_commit(here);
}

}  // namespace parmap::inline PARMAP_ABI::detail
