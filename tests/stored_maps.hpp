// SPDX-License-Identifier: MIT
// What tests of maps with a checkpoint share: options, how many tasks have run, what was thrown.
#pragma once

#include "scratch_folder.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace stored_maps {

// How many tasks have run, in any process: a file that each of them adds a byte to.
class run_count {
 public:
  explicit run_count(const scratch::folder& in) : path_(in.file("runs")) {}
  void add() const { std::ofstream(path_, std::ios::app) << '.' << std::flush; }
  [[nodiscard]] std::uintmax_t take() const {
    const std::uintmax_t all = std::filesystem::exists(path_) ? std::filesystem::file_size(path_) : 0;
    std::filesystem::remove(path_);
    return all;
  }

 private:
  std::string path_;
};

inline parmap::options kept_in(const std::string& path,
                               parmap::checkpoint_options how = {.existing = {}, .name = "f"}) {
  return {.reporter = parmap::report::silent, .store = parmap::checkpoint(path, std::move(how)), .workers = 2};
}

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace stored_maps
