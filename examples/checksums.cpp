// SPDX-License-Identifier: MIT
// SHA-256 of every file below some directories: a file that cannot be read is a named failure and costs only itself.
//
//     checksums [--engine NAME] [--workers N] [--output FILE] PATH...
#include "arguments.hpp"
#include "sha256.hpp"

#include <parmap/parmap.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace fs = std::filesystem;

// The task: one file's digest in hexadecimal. Throws std::system_error if the file cannot be read.
std::string sha256_of_file(const fs::path& path) {
  const auto fail = [] { throw std::system_error(errno, std::generic_category(), "cannot read"); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail();

  example::sha256 hash;
  std::array<unsigned char, 1 << 16> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) hash.add(buffer.data(), n);
  if (std::ferror(file.get())) fail();
  return hash.digest();
}

// Regular files and links to such; a dangling link too, so that somebody hears of it. Nothing that could block (a pipe,
// a device).
bool is_file(const fs::directory_entry& entry) {
  std::error_code ignored;
  const fs::file_type type = entry.status(ignored).type();
  return type == fs::file_type::regular || (type == fs::file_type::not_found && entry.is_symlink(ignored));
}

std::vector<fs::path> files_below(const std::vector<fs::path>& roots) {
  std::vector<fs::path> files;
  for (const fs::path& root : roots) {
    if (!fs::is_directory(root)) {
      files.push_back(root);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied))
      if (is_file(entry)) files.push_back(entry.path());
  }
  return files;
}

// sha256sum's line: a name with a backslash or a line break is escaped, and the line then begins with a backslash.
std::string sha256sum_line(const std::string& digest, const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '\\') escaped += "\\\\";
    else if (c == '\n') escaped += "\\n";
    else if (c == '\r') escaped += "\\r";
    else escaped += c;
  }
  return (escaped == name ? "" : "\\") + digest + "  " + escaped + '\n';
}

int checksums(const example::arguments& chosen) {
  const std::vector<fs::path> files = files_below(chosen.paths);
  if (files.size() < 100) {
    std::cerr << "checksums: only " << files.size() << " files there; name directories with at least 100\n";
    return 1;
  }

  const auto start = std::chrono::steady_clock::now();
  const auto digests =
      parmap::map(parmap::engine_named(chosen.engine), sha256_of_file, files, {.workers = chosen.workers});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  std::ofstream lines(chosen.output);
  std::uintmax_t bytes = 0;
  std::size_t done = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (const std::string* digest = digests.get_if(i)) {
      lines << sha256sum_line(*digest, files[i].native());
      std::error_code vanished;
      const std::uintmax_t size = fs::file_size(files[i], vanished);
      if (!vanished) bytes += size;
      ++done;
    }
  }
  if (!lines.flush()) throw std::runtime_error("cannot write " + chosen.output);

  const double megabytes = static_cast<double>(bytes) / 1e6;
  std::cout << std::fixed << std::setprecision(1) << done << " files, " << megabytes << " MB in " << seconds.count()
            << " s: " << megabytes / seconds.count() << " MB/s\n";
  for (const parmap::failure& f : digests.failures()) std::cout << files[f.index].native() << ": " << f.message << '\n';
  return 0;
}

int main(int argc, char** argv) {
  const auto usage = "[--engine NAME] [--workers N] [--output FILE] PATH...";
  return example::run(argc, argv, usage, [](const example::arguments& chosen) {
    try {
      return checksums(chosen);
    } catch (const std::system_error& e) {
      if (chosen.engine != "serial") throw;
      std::cerr << "checksums: " << e.what() << '\n';
      return 3;  // serial stops at the first file that cannot be read
    }
  });
}
